"""Each folder of ``cases/`` is a notebook: cells in, ``expect.py`` or ``error.txt`` out.

``call.json`` may hold ``target`` (default ``greet``), ``args``, ``requires``, and facts to check:
``packages`` (names of the requirements), ``preload``, ``files``, ``style``, ``by_value``, ``config`` (the
variables of its secrets), ``notes`` and ``left`` (what is said of things taken, and of things not taken).
With ``cell`` it is the last cell itself that is refused, by the name that it was given (none if empty).
Modules of the user's own lie in ``beside/``. The produced func.py is then run in a process of its own: it
must give what the cell gives.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbfn.capture import find_target
from nbfn.capture.live import peel
from nbfn.errors import BadInput

from .kernel import Kernel, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.spec import Capture

CASES = Path(__file__).parent / "cases"
RUN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import func
result = getattr(func, sys.argv[2])(*json.loads(sys.argv[3]))
print(repr(given(result)), end="")
"""


@pytest.fixture
def beside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The case's folder, with its own modules importable and forgotten afterwards."""
    folder: Path = request.param
    before = set(sys.modules)
    monkeypatch.syspath_prepend(folder / "beside")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name in set(sys.modules) - before:
        home = getattr(sys.modules[name], "__file__", None) or ""
        if home.startswith((str(folder), str(tmp_path))):
            del sys.modules[name]


@pytest.mark.parametrize("beside", sorted(CASES.iterdir()), ids=lambda path: path.name, indirect=True)
def test_case(beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    call: dict[str, Any] = {}
    if (beside / "call.json").exists():
        call = json.loads((beside / "call.json").read_text())
    target, args = call.get("target", "greet"), call.get("args", [])
    kernel = Kernel(beside.name).run_folder(beside)
    if (beside / "error.txt").exists():
        with pytest.raises(BadInput) as caught:
            _refused(kernel, beside, call)
        kind, _, text = (beside / "error.txt").read_text().partition(": ")
        assert f"{type(caught.value).__name__}: {caught.value}" == f"{kind}: {text.rstrip()}"
        return
    captured = kernel.capture(target, call.get("requires", ()))
    assert captured.source == (beside / "expect.py").read_text(encoding="utf-8")
    assert captured.handler == call.get("handler", target)
    assert captured.style == call.get("style", "values")
    assert captured.by_value == call.get("by_value", False)
    assert [pin.partition("==")[0] for pin in captured.requirements] == call.get("packages", [])
    assert list(captured.preload) == call.get("preload", [])
    assert sorted(captured.files) == call.get("files", [])
    assert list(captured.config) == call.get("config", [])
    assert {row.name: row.note for row in captured.taken if row.note} == call.get("notes", {})
    assert {row.name: row.reason for row in captured.left} == call.get("left", {})
    write(captured, tmp_path)
    assert _run(tmp_path, captured, args) == _local(kernel, target, args)


def given(result: Any) -> Any:
    """What a call gives in the end: awaited, or all that it yields."""
    import asyncio
    import inspect

    async def collected() -> list[Any]:
        return [each async for each in result]

    if inspect.isasyncgen(result):
        return asyncio.run(collected())
    if inspect.isgenerator(result):
        return list(result)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


_RUN_WITH_GIVEN = f"from typing import Any\n{inspect.getsource(given)}\n{RUN}"


def _local(kernel: Kernel, target: str, args: list[object]) -> str:
    function: Any = peel(kernel.namespace[target])  # not what it would be deployed as
    return repr(given(function(*args))).replace("__main__.", "func.")


def _refused(kernel: Kernel, case: Path, call: dict[str, Any]) -> None:
    if "cell" in call:
        find_target(max(case.glob("[0-9][0-9].py")).read_text(), call["cell"] or None)
    else:
        kernel.capture(call.get("target", "greet"), call.get("requires", ()))


def _run(folder: Path, captured: Capture, args: list[object]) -> str:
    done = subprocess.run(
        [sys.executable, "-B", "-c", _RUN_WITH_GIVEN, str(folder), captured.handler, json.dumps(args)],
        env={**os.environ, **captured.config},
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

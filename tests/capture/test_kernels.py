"""Real IPython, scripts and modules, and the same state in two kernels."""

from __future__ import annotations

import atexit
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from nbfn.capture import Cells, capture

from .kernel import Kernel, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.interactiveshell import ExecutionInfo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    made = InteractiveShell(config=config)
    yield made
    atexit.unregister(made.atexit_operations)
    made.atexit_operations()
    made.restore_sys_module_state()


def recorded(shell: InteractiveShell) -> Cells:
    cells = Cells()

    def record(info: ExecutionInfo) -> None:
        plain = shell.transform_cell(info.raw_cell)
        number = shell.execution_count - 1  # counted already when the hook is called
        name = shell.compile.get_code_name(info.raw_cell, plain, number)
        cells.record(plain, number=number, cell_id=None, filename=name)

    shell.events.register("pre_run_cell", record)
    return cells


def test_cells_of_a_real_shell(shell: InteractiveShell, tmp_path: Path) -> None:
    cells = recorded(shell)
    for source in (
        "%time 1\nfrom dataclasses import dataclass\n!true",
        "@dataclass\nclass Point:\n    x: int\n",
        "await __import__('asyncio').sleep(0)\ndef double(n):\n    return 2 * n\n\nsquare = lambda n: n * n",
        "class Model:\n    k = 2\n    def run(self, n):\n        return self.k * n  # times k\n",
        "def greet(n):\n    return double(square(n)) + Point(n).x + Model().run(n)\n",
    ):
        shell.run_cell(source, store_history=True)
    captured = capture(shell.user_ns["greet"], namespace=shell.user_ns, cells=cells)
    assert "class Point:\n    x: int\n" in captured.source
    assert "return self.k * n  # times k" in captured.source
    assert "square = lambda n: n * n" in captured.source
    assert not captured.by_value
    span = captured.source_map[-1]
    assert span.filename == shell.user_ns["greet"].__code__.co_filename
    assert span.first_line == 1
    assert {row.name: row.origin for row in captured.taken}["Point"] == "cell 2"
    write(captured, tmp_path)
    run = "import func; print(func.greet(3))"
    done = subprocess.run(
        [sys.executable, "-c", run], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "27\n"


def test_magics_in_a_function_are_refused(shell: InteractiveShell) -> None:
    cells = recorded(shell)
    shell.run_cell("def greet():\n    %time 1\n", store_history=True)
    with pytest.raises(ValueError, match="'get_ipython' belongs to the notebook"):
        capture(shell.user_ns["greet"], namespace=shell.user_ns, cells=cells)


def test_a_traceback_finds_the_line_of_the_cell(tmp_path: Path) -> None:
    kernel = Kernel("trace").run(
        "\n\ndef helper(x):\n    y = x\n    return 1 / y\n", "def greet(x):\n    return helper(x)\n"
    )
    captured = kernel.capture("greet")
    lines = captured.source.splitlines()
    failing = lines.index("    return 1 / y") + 1
    (span,) = [each for each in captured.source_map if each.start <= failing <= each.end]
    assert (span.filename, span.first_line + failing - span.start) == ("<ipython-input-1-trace>", 5)


STATE = """
import sys
sys.path.insert(0, {root!r})
from tests.capture.kernel import Kernel
cells = [
    "import numpy as np\\nfrom dataclasses import dataclass, field",
    "@dataclass\\nclass Bag:\\n    words: set = field(default_factory=set)\\n",
    "bag = Bag({{'tea', 'milk', 'rye', 'oat'}})\\nnested = {{'a': frozenset('xyz'), 'b': [Bag({{1, 'x'}})]}}",
    "weights = np.arange(5)\\nLEVELS = {{'low', 'mid', 'high'}}\\npairs = {{(i, str(i)) for i in range(99)}}",
    "def make(k):\\n  def f(x):\\n    nonlocal k\\n    k = x or bag\\n  return f\\nmade = make('c')",
    "def greet(x):\\n    return bag, nested, weights, LEVELS, pairs, {tail}",
]
kernel = Kernel(sys.argv[1], int(sys.argv[2]))
order = [0, 1, 2, 3, 4, 5] if sys.argv[3] == "straight" else [0, 1, 4, 3, 2, 2, 5]
kernel.run(*(cells[at] for at in order))
captured = kernel.capture("greet")
print(captured.fingerprint)
"""


@pytest.mark.parametrize("by_value", [False, True])
def test_the_same_state_has_the_same_fingerprint_in_any_kernel(by_value: bool) -> None:
    found = []
    for seed, mark, number, order in (("1", "one", "0", "straight"), ("77", "two", "40", "mixed")):
        script = STATE.format(root=str(ROOT), tail="made(x)" if by_value else "0")
        done = subprocess.run(
            [sys.executable, "-c", script, mark, number, order],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1]


def test_a_closure_has_the_same_fingerprint_whatever_its_cell_is_called() -> None:
    cell = "def make(k):\n    def inner(x):\n        return [x, k]\n    return inner\ngreet = make(2)"
    one, two = (Kernel(mark, number).run(cell).capture("greet") for mark, number in (("a", 0), ("b", 7)))
    assert not one.by_value
    assert one.fingerprint == two.fingerprint
    assert Kernel("c").run(cell.replace("make(2)", "make(3)")).capture("greet").fingerprint != one.fingerprint


MODULE = '''
from dataclasses import dataclass
from pathlib import Path

@dataclass
class Plain:
    x: int

HOME = Plain(1)

def greet(n):
    """Of a file."""
    return Plain(n), HOME, Path
'''


def test_functions_of_a_module_or_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nbfn_test_script.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module: Any = importlib.import_module("nbfn_test_script")
    try:
        captured = capture(module.greet, namespace=vars(module))
    finally:
        del sys.modules["nbfn_test_script"]
    assert "@dataclass\nclass Plain:\n    x: int\n" in captured.source
    assert '"""Of a file."""' in captured.source
    assert list(captured.files) == ["data/HOME.pickle"]
    assert not captured.by_value
    assert {row.name: row.origin for row in captured.taken}["greet"] == "nbfn_test_script.py"


def test_an_imported_target_is_an_import_line() -> None:
    kernel = Kernel("imported").run("from textwrap import dedent as greet")
    target: Callable[..., object] = kernel.namespace["greet"]  # type: ignore[assignment]
    assert capture(target, namespace=kernel.namespace).source == "from textwrap import dedent as greet\n"


def test_a_function_without_cells_is_captured_from_linecache() -> None:
    kernel = Kernel("bare").run(
        "RATE = 2\nclass Box:\n    def get(self):\n        return RATE\n", "def greet(): return Box().get()"
    )
    target: Callable[..., object] = kernel.namespace["greet"]  # type: ignore[assignment]
    captured = capture(target, namespace=kernel.namespace)
    assert captured.source == kernel.capture("greet").source
    assert captured.fingerprint == kernel.capture("greet").fingerprint

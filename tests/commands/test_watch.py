"""``watch`` against the real executor, and as a process that Ctrl-C ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import session as sessions
from nbfn.errors import BadInput
from tests.commands.fnline import at_home, fn
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE = "def handler(ctx, data):\n    return 'WORD'\n"


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        fn("init", "--runtime", "python", "hello")
        (found / "hello" / "func.py").write_text(CODE.replace("WORD", "first"))
        assert fn("deploy", "--app", "a", "--create-app", "hello").code == 0
        yield found


def test_each_change_is_deployed_and_a_bad_one_is_said(home: Path) -> None:
    folder, said = home / "hello", list[str]()
    over: list[bool] = []
    ours = sessions.current()

    def watch() -> None:
        count = nbfn.watch_project(
            folder,
            "a",
            quiet_s=0.1,
            ignore=["*.csv"],
            session=ours,
            say=said.append,
            until=lambda: bool(over),
        )
        over.append(count == 2)

    thread = Thread(target=watch)
    thread.start()
    try:
        until(lambda: any("Ctrl-C" in line for line in said))
        (folder / "notes.csv").write_text("1")
        (folder / "func.py").write_text(CODE.replace("WORD", "second"))
        until(lambda: said.count("Deploy finished.") == 1)
        assert "\nChange detected (func.py). Deploying..." in said
        assert fn("invoke", "a", "hello").out.strip() == "second"
        (folder / "func.py").write_text("def handler(:\n")
        until(lambda: any(line.startswith("Deploy failed: ") and "is not Python" in line for line in said))
        assert fn("invoke", "a", "hello").out.strip() == "second"
        (folder / "func.py").write_text(CODE.replace("WORD", "third"))
        until(lambda: said.count("Deploy finished.") == 2)
        assert fn("invoke", "a", "hello").out.strip() == "third"
        assert "version: 0.0.2\n" in (folder / "func.yaml").read_text(), "it is not bumped"
        assert not any("notes.csv" in line for line in said)
    finally:
        over.append(False)
        thread.join()
    assert over[-1], "it has deployed twice"


def test_ctrl_c_ends_it(home: Path) -> None:
    script = str(Path(sys.executable).with_name("nbfn"))
    process = subprocess.Popen(
        [script, "watch", "--app", "a", "--debounce", "100ms"],
        cwd=home / "hello",
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(3)]
            assert lines[0] == f"Watching {home / 'hello'} (app=a). Debounce=0.1s\n"
            assert ".git, .fn, node_modules" in lines[1]
            (home / "hello" / "func.py").write_text(CODE.replace("WORD", "fourth"))
            while "Deploy finished." not in (line := process.stdout.readline()):
                assert line, "it has ended"
            process.send_signal(signal.SIGINT)
            assert "Stopped watching." in process.stdout.read()
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("watch -w hello", "no application is named"),
        ("watch --app a -w hello --debounce soon", "--debounce: 'soon' is not a span of time"),
        ("watch --app a", "has no func.yaml"),
    ],
)
def test_what_cannot_be_watched(home: Path, line: str, said: str) -> None:
    done = fn(*line.split())
    assert (done.code, done.out) == (1, "")
    assert said in done.err


def test_the_application_may_be_the_files(home: Path) -> None:
    (home / "hello" / "app.yaml").write_text("name: a\n")
    said: list[str] = []
    assert nbfn.watch_project(home / "hello", say=said.append, until=lambda: True) == 0
    assert "(app=a)" in said[0]
    with pytest.raises(BadInput, match=r"has no func\.yaml"):
        nbfn.watch_project(home, "a")

"""What is watched, and when a change counts. The clock is the test's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.errors import StateError
from nbfn.projects.watching import IGNORED, Quiet, changed, is_ignored, look, patterns

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "given", "ignored"),
    [
        (".git/HEAD", IGNORED, True),
        ("a/node_modules/b/c.js", IGNORED, True),
        ("Dockerfile-fn-tmp123", IGNORED, True),
        ("func.py", IGNORED, False),
        ("targets/x", IGNORED, False),
        ("a/b.log", ["*.log"], True),
        ("docs/b/c", ["docs/*"], True),
        ("x/docs/b", ["docs/*"], False),
        ("docs", ["docs/*"], False),
        ("docs/a", ["/docs/"], True),
        ("a/b", [], False),
    ],
)
def test_patterns(path: str, given: list[str], ignored: bool) -> None:
    assert is_ignored(path, given) is ignored


def test_the_file_of_patterns(tmp_path: Path) -> None:
    (tmp_path / ".fnignore").write_text("# mine\n\n*.csv\n  notes  \n")
    assert patterns(tmp_path, ["extra"])[-3:] == ("*.csv", "notes", "extra")
    (tmp_path / ".fnignore").write_bytes(b"\xff")
    with pytest.raises(StateError, match=r"\.fnignore cannot be read"):
        patterns(tmp_path)


def test_what_is_seen(tmp_path: Path) -> None:
    for name in ("func.py", "lib/a.py", ".git/HEAD", "lib/__pycache__/a.pyc", "out.log"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (tmp_path / "dangling").symlink_to("nowhere")
    given = patterns(tmp_path, ["*.log"])
    before = look(tmp_path, given)
    assert before.keys() == {"func.py", "lib/a.py"}
    os.utime(tmp_path / "func.py", ns=(1, 1))
    (tmp_path / "lib" / "a.py").unlink()
    (tmp_path / "new.py").write_text("")
    assert changed(before, look(tmp_path, given)) == ["func.py", "lib/a.py", "new.py"]
    assert changed(before, before) == []


@given(st.lists(st.tuples(st.floats(0.01, 3), st.booleans()), min_size=1))
def test_a_change_counts_once_and_only_when_it_is_quiet(steps: list[tuple[float, bool]]) -> None:
    quiet, now, last, told, seen = Quiet(1.0), 0.0, None, 0, False
    for pause, writes in steps:
        now += pause
        if quiet.due(now):
            assert last is not None
            assert now - last >= 1.0
            told, last, seen = told + 1, None, True
        if writes:
            quiet.saw(["a", "b"], now)
            last = now
    if last is not None:
        assert not quiet.due(last + 0.5)
        assert quiet.due(last + 1.5) == "b"
    assert not quiet.due(now + 10)
    assert seen == (told > 0)

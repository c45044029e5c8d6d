"""Other Pythons: JSON crosses from one to another, pickles do not."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.runtime import wire
from tests.runtime.instance import KEY, SALT, Instance

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., Instance]

MINORS = ("3.11", "3.12", "3.13", "3.14")


@cache
def find(minor: str) -> str | None:
    """A Python of that minor: on the path, or among those that pyenv keeps."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [shutil.which(f"python{minor}"), *map(str, sorted(pyenv.glob(f"{minor}.*/bin/python3")))]
    for candidate in filter(None, candidates):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if done.stdout.strip() == minor:
            return candidate
    return None


@pytest.fixture(params=MINORS)
def python(request: pytest.FixtureRequest) -> tuple[str, str]:
    found = find(request.param)
    if found is None:
        pytest.skip(f"Python {request.param} is not on this machine")
    return request.param, found


SOURCE = """
def greet(name, fail=False):
    if fail:
        raise KeyError(name)
    print("called")
    return {"hello": [name, 1.5, None]}
"""


def test_json_calls(start: Start, python: tuple[str, str]) -> None:
    instance = start(SOURCE, executable=python[1])
    assert instance.call_nbfn("ann").json == {"value": {"hello": ["ann", 1.5, None]}}
    assert instance.call(b'{"name": "ann"}').json == {"hello": ["ann", 1.5, None]}
    document = instance.call_nbfn("ann", fail=True).json
    assert (document["type"], document["message"], document["frames"][0]["line"]) == ("KeyError", "'ann'", 4)
    assert instance.call(b'"bob"').headers["nbfn-calls-served"] == "3"
    assert instance.stop() == 0


class Mark:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickles_only_within_one_minor(start: Start, python: tuple[str, str], tmp_path: Path) -> None:
    minor, executable = python
    instance = start("def greet(mark): return 'unpickled'", executable=executable)
    pickled = pickle.dumps(((Mark(tmp_path / "mark"),), {}), protocol=5)
    frame = b"".join(wire.seal(wire.KIND_CALL, pickled, [], KEY, SALT))
    document = instance.call(frame, wire.CALL_FRAME, nbfn_salt=SALT.hex()).json
    if minor == f"{sys.version_info[0]}.{sys.version_info[1]}":
        assert document == {"value": "unpickled"}
        assert (tmp_path / "mark").exists()
    else:
        assert document["type"] == "BadArguments"
        assert "only plain JSON values can cross" in document["message"]
        assert not (tmp_path / "mark").exists()

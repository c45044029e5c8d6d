"""The sandbox's tests again as an ordinary user, since most people are one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lacking import lacking

REPOSITORY = Path(__file__).parents[2]
AS_USER = (
    *("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"),
    *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"),
)


def interpreter_for_everyone() -> str | None:
    """One of this minor that another user may execute; this one may be below root's home."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
    for path in (
        getattr(sys, "_base_executable", sys.executable),
        f"/usr/bin/{name}",
        f"/usr/local/bin/{name}",
    ):
        # setpriv itself may still pass where the user may not, so the interpreter has to start a second one.
        allowed = subprocess.run([*AS_USER, path, "-c", again], capture_output=True, check=False)
        if allowed.returncode == 0:
            return str(path)
    return None


def python_path() -> str:
    """Where another interpreter of this minor finds these tests and what they import."""
    return ":".join([str(REPOSITORY), *(path for path in sys.path if path.endswith("site-packages"))])


def run_tests(python: str, name: str, chosen: str, *, before: tuple[str, ...] = ()) -> str:
    """The tests of one module with this interpreter, in a process that ``before`` starts; what is said."""
    done = subprocess.run(
        [
            *(*before, python, "-B", "-m", "pytest"),
            *("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-k", chosen),
            f"tests/{name}.py",
        ],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "CI": os.environ.get("CI", ""),  # what is lacking there is no more skipped than here
            "PYTHONPATH": python_path(),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.needs("root", "setpriv")
@pytest.mark.parametrize("name", ["sandbox", "zygotes", "killed_executor"])
def test_the_sandbox_as_an_ordinary_user(name: str) -> None:
    python = interpreter_for_everyone()
    if python is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    # The contract itself does not depend on who runs it, except for a few; what separates instances does.
    chosen = "not T0 and (not TestSandbox or answers or leaves_nothing or many_start)"
    run_tests(python, f"drivers/test_{name}", chosen, before=AS_USER)

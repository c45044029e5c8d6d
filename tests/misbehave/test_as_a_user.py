"""The misbehaviours again with an executor of an ordinary user, who cannot make cgroups."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.drivers.test_unprivileged import AS_USER, REPOSITORY, interpreter_for_everyone

# What depends on who the executor is, or on cgroups. The rest is the same.
_CHOSEN = "hogs or bomb or fills-tmp or fills-shm or reads or kills-others or becomes or escapes or network"


@pytest.mark.needs("root")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not on this machine")
@pytest.mark.parametrize("tier", ["T1", "T2"])
def test_misbehaviours_as_an_ordinary_user(tier: str) -> None:
    python = interpreter_for_everyone()
    if python is None:
        pytest.skip("no interpreter of this minor that an ordinary user may execute")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [
            *(*AS_USER, python, "-B", "-m", "pytest"),
            *("-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
            *("-k", f"{tier} and ({_CHOSEN})", "tests/misbehave/test_misbehaviour.py"),
        ],
        cwd=REPOSITORY,
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "PYTHONPATH": ":".join([str(REPOSITORY), *packages]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

"""What people read who start an executor with Docker: where there is a daemon, none, or no right to it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.drivers.test_unprivileged import AS_USER, REPOSITORY, interpreter_for_everyone
from tests.executor.test_process import NBFN, environment, run, serving
from tests.lacking import lacking

if TYPE_CHECKING:
    from pathlib import Path

SERVE = ("serve", "--driver", "docker")
ELSEWHERE = "NBFN_DRIVER=sandbox needs none"


@pytest.mark.needs("docker")
def test_status_says_what_separates_instances(state: Path) -> None:
    with serving(state, "--driver", "docker"):
        (line,) = [line for line in run(state, "status").stdout.splitlines() if "isolation" in line]
        assert line.split()[:4] == ["isolation", "docker", "(docker):", "Docker"]
        assert "no capabilities, no-new-privileges, read-only root" in line
        assert run(state, "stop").returncode == 0


@pytest.mark.parametrize(
    ("host", "said", "advice"),
    [
        ("unix:///none/docker.sock", "No such file or directory", "start Docker, or set DOCKER_HOST"),
        ("tcp://127.0.0.1:1", "Connection refused", "DOCKER_HOST must name a daemon of this machine"),
        ("bogus://x", "Invalid bind address protocol", "DOCKER_HOST must name a daemon of this machine"),
    ],
)
def test_without_a_daemon(state: Path, host: str, said: str, advice: str) -> None:
    for more in ([], ["--detach"]):
        done = run(state, *SERVE, *more, DOCKER_HOST=host)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"nbfn: no Docker answers at {host}: {said}" in done.stderr
        assert advice in done.stderr
        assert ELSEWHERE in done.stderr
        assert "Traceback" not in done.stderr
    assert run(state, "status").returncode == 3


@pytest.mark.needs("docker", "root", "setpriv")
def test_who_may_not_use_the_daemon_is_told_so(state: Path) -> None:
    python = interpreter_for_everyone()
    if python is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    theirs = state / "theirs"
    theirs.mkdir()
    for folder in (state, theirs):
        os.chown(folder, 1000, 1000)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [*AS_USER, python, "-B", *NBFN[1:], *SERVE],
        env=environment(theirs, PYTHONPATH=":".join([str(REPOSITORY), *packages]), HOME="/nonexistent"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "no Docker answers at unix:///var/run/docker.sock: Permission denied" in done.stderr
    assert "let this user use it (group docker), or set DOCKER_HOST to a daemon of their own" in done.stderr
    assert ELSEWHERE in done.stderr

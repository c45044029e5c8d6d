"""The tour on Binder's terms, simulated: locked packages, an unprivileged user, no Docker, 2 GB, one CPU."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
USER = 1000


def test_repo2docker_reads_the_binder_folder_and_locks_what_the_tour_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    dockerfile = done.stdout + done.stderr
    assert done.returncode == 0, dockerfile[-2000:]
    for line in ("RUN ./binder/postBuild", 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"', "requirements.txt"):
        assert line in dockerfile
    assert (ROOT / "binder/runtime.txt").read_text().strip() == "python-3.11"
    locked = (ROOT / "binder/requirements.txt").read_text()
    kernel = re.search(r"^ipykernel==(\d+)\.(\d+)", locked, re.M)
    assert kernel is not None
    assert (int(kernel[1]), int(kernel[2])) >= (7, 1), "7.0 loses updates that threads send"
    project = (ROOT / "pyproject.toml").read_text()
    needed = re.search(r"^dependencies = \[(.*?)^\]", project, re.M | re.S)
    assert needed is not None
    for name in re.findall(r'"([a-z]+)[>=]', needed[1]):
        assert re.search(rf"^{name}==", locked, re.M | re.I), f"{name} is not locked for Binder"


@pytest.fixture
def checkout() -> Iterator[Path]:
    """The tracked files, as repo2docker lays them: owned by root, readable by all."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-binder-"))
    folder.chmod(0o755)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "repo" / name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.needs("root", "debian-venv")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tier", ["T1", "T2"], ids=lambda tier: f"up to {tier}")
@pytest.mark.xdist_group("binder")
def test_the_tour_runs_as_an_unprivileged_user(checkout: Path, tier: str) -> None:
    """T1 is what Docker's seccomp profile leaves (no namespaces); T2 what a freer hub allows."""
    repo, env = checkout / "repo", checkout / "env"
    home = checkout / "home"
    home.mkdir()
    os.chown(home, USER, USER)
    subprocess.run(["/usr/bin/python3", "-m", "venv", env], check=True)
    pip = [env / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "-r", repo / "binder/requirements.txt", "nbclient", "nbformat", "hatchling"], check=True
    )
    os.chown(env / "lib", USER, USER)
    path = f"{env}/bin:/usr/bin:/bin"
    subprocess.run(["binder/postBuild"], cwd=repo, env={**os.environ, "PATH": path}, check=True)
    done = subprocess.run(
        [
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
            "--no-new-privs", "--bounding-set=-all",
            "taskset", "-c", "0",
            "binder/start", "python", "notebooks/run.py", "notebooks/00_tour.ipynb",
        ],
        cwd=repo,
        env={"HOME": str(home), "PATH": path, "NBFN_TIER": tier, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "{'Ana': 181.0, 'Bo': 73.6}" in done.stdout
    assert "cold (first call)" in done.stdout
    # On a slow machine one that is free again may come before one more has started.
    assert re.search("4 answers from [2-4] instances", done.stdout), done.stdout[-3000:]

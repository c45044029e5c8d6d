"""Cgroups of version 2 as others hand them to nbfn. For root of a machine where they are all there is.

``test_unified.py`` runs it in one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.drivers.given import CONTROLLERS, USER, entering, given, session
from tests.drivers.test_unprivileged import (
    AS_USER,
    REPOSITORY,
    interpreter_for_everyone,
    python_path,
    run_tests,
)
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(600)
TOP = Path("/sys/fs/cgroup")
# In a namespace of cgroups its own group is the topmost that it sees, as in a container.
CONTAINED = (
    *("unshare", "--cgroup", "--mount", "sh", "-c"),
    *('umount /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh"),
)

EXECUTOR = """
import asyncio, json, sys
from pathlib import Path
from nbfn import config
from nbfn.drivers import make_driver
from nbfn.drivers.sandbox import interpreter
from nbfn.drivers.sandbox.cgroups import Groups
from tests.drivers.rig import Output, call_that_ends_it, make_image, make_request

def own():
    return Path("/proc/self/cgroup").read_text().strip()

async def main():
    settings = config.load({"NBFN_STATE": sys.argv[1], "NBFN_TIER": "T0", "NBFN_DRIVER": "sandbox"})
    before, driver = own(), make_driver(settings)
    other = Groups.find("another", interpreter.base().executable)
    told = {"groups": [before, own()], "other": str(other.folders[0])}
    told["mechanisms"] = driver.isolation.mechanisms
    instance = await driver.start(make_request(make_image(settings.images), memory_mb=64), Output())
    await call_that_ends_it(instance, "hog", 300)
    told["cause"] = (await instance.wait()).cause
    await other.close()
    await driver.close()
    told["groups"].append(own())
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """An ordinary user's."""
    (TOP / "cgroup.subtree_control").write_text(CONTROLLERS)
    with given(TOP / "given") as folder:
        yield folder


def everyones_interpreter() -> str:
    found = interpreter_for_everyone()
    if found is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    return found


@pytest.mark.parametrize("who", ["an-ordinary-user", "root-of-a-container"])
def test_alone_in_its_group_it_makes_room_and_leaves_as_it_came(group: Path, state: Path, who: str) -> None:
    everyones = everyones_interpreter()
    if who == "root-of-a-container":
        python, before, seen = sys.executable, CONTAINED, ""
    else:
        python, before, seen = everyones, AS_USER, "/given"
        os.chown(state, USER, USER)
    for _ in range(2):  # whoever comes next finds it as the first did
        done = subprocess.run(
            [*entering(group), *before, python, "-B", "-c", EXECUTOR, str(state)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=subprocess.PIPE,
            check=True,
        )
        told = json.loads(done.stdout)
        assert "cgroup v2 limits of memory and processes" in told["mechanisms"]
        assert told["groups"] == [f"0::{seen or '/'}", f"0::{seen}/nbfn-executor", f"0::{seen or '/'}"]
        assert told["other"] == f"{TOP}{seen}/nbfn-of-another", "beside the executor, not below it"
        assert told["cause"] == "out of memory: more than 64 MB"
        assert [path for path in group.iterdir() if path.is_dir()] == []
        assert (group / "cgroup.subtree_control").read_text().split() == []


@pytest.mark.parametrize(
    ("user", "chosen"),
    [
        ((), "not T1 and (hogs-memory or bomb or fills-shm or leaves-its)"),
        (AS_USER, "(T2 and (hogs-memory or bomb)) or (T0 and leaves-its)"),
    ],
    ids=["root", "an-ordinary-user"],
)
def test_misbehaviours_in_a_group_with_others(user: tuple[str, ...], chosen: str) -> None:
    """Its own group is shared, and the one above it can be used."""
    python = everyones_interpreter()
    with session() as groups:
        before = (*entering(*groups), "env", f"TMPDIR={tempfile.gettempdir()}", *user)
        said = run_tests(python, "misbehave/test_misbehaviour", chosen, before=before)
    assert " skipped" not in said, said

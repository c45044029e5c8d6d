"""Control groups: where they are (pure), and real ones where this machine lets them be made."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import config
from nbfn.drivers import make_driver
from nbfn.drivers.sandbox import interpreter
from nbfn.drivers.sandbox.cgroups import Groups, Unavailable, places
from tests.drivers.rig import Output, call_that_ends_it, make_image, make_request
from tests.executor.functions import deploy, image
from tests.executor.test_process import endpoint, serving
from tests.lacking import lacking
from tests.misbehave.house import group_folders
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nbfn.drivers.sandbox.cgroups import Group

_V2 = "29 22 0:26 {root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
_MEMORY = "33 25 0:29 {root} /sys/fs/cgroup/memory rw shared:13 - cgroup cgroup rw,memory"
_PIDS = "34 25 0:30 {root} /sys/fs/cgroup/pids rw shared:14 - cgroup cgroup rw,pids"
_UNIFIED = "35 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"


@pytest.mark.parametrize(
    ("cgroup", "mounts", "version", "memory", "pids"),
    [
        ("0::/user.slice/x.scope", [_V2.format(root="/")], 2, "/sys/fs/cgroup/user.slice/x.scope", None),
        ("0::/", [_V2.format(root="/")], 2, "/sys/fs/cgroup", None),
        ("0::/docker/abc", [_V2.format(root="/docker/abc")], 2, "/sys/fs/cgroup", None),
        ("0::/../..", [_V2.format(root="/../..")], 2, "/sys/fs/cgroup", None),
        (
            "5:pids:/\n4:memory:/a\n0::/",
            [_MEMORY.format(root="/"), _PIDS.format(root="/"), _UNIFIED],
            1,
            "/sys/fs/cgroup/memory/a",
            "/sys/fs/cgroup/pids",
        ),
        (
            "5:pids:/docker/abc\n4:memory:/docker/abc/in",
            [_MEMORY.format(root="/docker/abc"), _PIDS.format(root="/docker/abc")],
            1,
            "/sys/fs/cgroup/memory/in",
            "/sys/fs/cgroup/pids",
        ),
        ("4:memory:/\n0::/", [_MEMORY.format(root="/"), _UNIFIED], 0, "", None),
        ("", [], 0, "", None),
    ],
    ids=["systemd", "root", "container", "outside", "hybrid", "container-v1", "half", "none"],
)
def test_a_process_finds_its_own_group(
    cgroup: str, mounts: list[str], version: int, memory: str, pids: str | None
) -> None:
    chosen = places.choose(places.hierarchies(cgroup, "\n".join(mounts)))
    if version == 0:
        assert chosen is None
        return
    assert chosen is not None
    assert chosen["memory"].version == version
    assert chosen["memory"].own == PurePosixPath(memory)
    assert chosen["pids"].own == PurePosixPath(pids or memory)


_WORDS = st.text("/.:,- \\01memory pids cgroup2\n", max_size=60)


@given(
    _WORDS, st.lists(st.builds(lambda a, b: f"1 2 3 {a} /m{b} rw - cgroup2 x rw,memory,pids", _WORDS, _WORDS))
)
def test_no_text_takes_it_out_of_what_is_mounted(cgroup: str, mounts: list[str]) -> None:
    for found in places.hierarchies(f"0::{cgroup}", "\n".join(mounts)):
        assert found.own.is_relative_to(found.mount)
        assert ".." not in found.own.relative_to(found.mount).parts


@pytest.fixture
async def groups(tmp_path: Path) -> AsyncIterator[Groups]:
    try:
        made = Groups.find(f"test-{tmp_path.name}", interpreter.base().executable)
    except Unavailable as error:
        lacking(f"no cgroups can be made here: {error}")
    yield made
    await made.close()
    assert not any(folder.exists() for folder in made.folders)


_ENTER = "import os, sys\nfor door in sys.argv[1:]: os.write(int(door), b'0')\n"


def inside(group: Group, code: str) -> subprocess.Popen[bytes]:
    """A process that enters ``group`` and runs ``code``."""
    with group.doors() as doors:
        command = [sys.executable, "-S", "-c", _ENTER + code, *map(str, doors)]
        return subprocess.Popen(command, pass_fds=doors, stdout=subprocess.PIPE)


@pytest.mark.anyio
async def test_a_group_limits_counts_and_ends_what_is_in_it(groups: Groups) -> None:
    group = groups.make()
    assert group is not None
    group.limit(32, 10)
    with inside(group, "kept = b'x' * (64 << 20)") as hog:
        assert await asyncio.to_thread(hog.wait) == -signal.SIGKILL
    assert group.killed_for_memory()
    assert group.reached_its_limit()
    with inside(group, "print(flush=True); import time; time.sleep(60)") as left:
        assert left.stdout
        await asyncio.to_thread(left.stdout.readline)
        assert groups.sweep() == 0, "it belongs to this executor"
        groups.discard(group)
        assert await asyncio.to_thread(left.wait) == -signal.SIGKILL


@pytest.mark.anyio
async def test_a_kill_for_want_of_memory_above_it_is_not_for_its_own_limit(groups: Groups) -> None:
    limit = "memory.max" if groups.version == 2 else "memory.limit_in_bytes"
    (groups.folders[0] / limit).write_text(str(32 << 20))
    group = groups.make()
    assert group is not None
    group.limit(256, 10)
    with inside(group, "kept = b'x' * (64 << 20)") as hog:
        assert await asyncio.to_thread(hog.wait) == -signal.SIGKILL
    assert group.killed_for_memory()
    assert not group.reached_its_limit()
    groups.discard(group)


@pytest.mark.anyio
async def test_too_many_processes_are_counted(groups: Groups) -> None:
    group = groups.make()
    assert group is not None
    group.limit(64, 4)
    assert not group.refused_a_process()
    code = """
for _ in range(8):
    try: child = os.fork()
    except BlockingIOError: sys.exit(5)
    if child == 0: os.read(0, 1)
"""
    with inside(group, code) as many:
        assert await asyncio.to_thread(many.wait) == 5
    assert group.refused_a_process()
    groups.discard(group)


@pytest.mark.anyio
async def test_without_groups_a_hog_is_still_named(state: Path) -> None:
    settings = config.load({"NBFN_STATE": str(state), "NBFN_CGROUPS": "off", "NBFN_DRIVER": "sandbox"})
    driver = make_driver(settings)
    assert "cgroup limits (switched off by NBFN_CGROUPS=off)" in driver.isolation.missing[-1]
    try:
        ref = make_image(settings.images)
        instance = await driver.start(make_request(ref, memory_mb=64), Output())
        await call_that_ends_it(instance, "hog", 300)
        end = await instance.wait()
        assert (end.out_of_memory, end.cause) == (True, "out of memory: more than 64 MB")
    finally:
        await driver.close()


def test_groups_of_a_killed_executor_are_removed_by_the_next(state: Path) -> None:
    """Whatever that one's state folder is."""
    with serving(state, NBFN_DRIVER="sandbox") as process, endpoint(state).client() as client:
        if not group_folders(state):
            lacking("no cgroups can be made here")
        fn_id = deploy(client, image(state, "def f(x): return x\n"))
        assert client.post(f"/invoke/{fn_id}", json=1).text == "1"
        (folder,) = group_folders(state)
        assert any(path.is_dir() for path in folder.iterdir())
        other = state / "other"
        with serving(other, NBFN_DRIVER="sandbox"):
            assert client.post(f"/invoke/{fn_id}", json=1).headers["nbfn-start"] == "warm"
            assert group_folders(state) == [folder], "it is held"
        process.kill()
        process.wait()
    with serving(other, NBFN_DRIVER="sandbox") as process:
        until(lambda: not folder.exists())
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert group_folders(other) == []

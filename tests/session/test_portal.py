"""The portal, in processes of its own: it must not keep one alive, nor break a forked child."""

from __future__ import annotations

import os
import subprocess
import sys

import anyio.lowlevel

from nbfn import portal


async def answer() -> int:
    await anyio.lowlevel.checkpoint()
    return 42


def test_one_portal_serves_the_process() -> None:
    assert portal.portal() is portal.portal()
    assert portal.portal().call(answer) == 42


def test_it_starts_again_after_closing() -> None:
    first = portal.portal()
    portal.close()
    portal.close()
    assert portal.portal() is not first
    assert portal.portal().call(answer) == 42


def test_a_process_ends_though_tasks_are_left() -> None:
    script = (
        "import anyio; from nbfn.portal import portal\n"
        "async def forever(*, task_status):\n"
        "    task_status.started()\n"
        "    try: await anyio.sleep_forever()\n"
        "    finally: print('cancelled', flush=True)\n"
        "portal().start_task(forever)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "cancelled\n", "")


def test_a_forked_child_has_a_portal_of_its_own() -> None:
    script = (
        "import os, anyio; from nbfn.portal import portal\n"
        "async def me(): return os.getpid()\n"
        "assert portal().call(me) == os.getpid()\n"
        "if (child := os.fork()) == 0:\n"
        "    os._exit(0 if portal().call(me) == os.getpid() else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert portal().call(me) == os.getpid()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert os.getpid() == portal.portal().call(os.getpid)

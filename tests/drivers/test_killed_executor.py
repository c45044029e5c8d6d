"""An executor that is killed takes its instances with it, and the next one cleans up."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.drivers import make_driver
from nbfn.drivers.sandbox.confine import proctree
from tests.drivers.rig import ground_of, make_image
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = pytest.mark.anyio

REPOSITORY = Path(__file__).parents[2]

EXECUTOR = """
import asyncio, sys
from nbfn import config
from nbfn.drivers import make_driver
from nbfn.spec import ImageRef
from tests.drivers.rig import Output, call, make_request
from tests.lacking import lacking

async def main():
    driver = make_driver(config.load({"NBFN_STATE": sys.argv[1], "NBFN_TIER": sys.argv[2]}))
    image = ImageRef.parse(sys.argv[3])
    instances = [await driver.start(make_request(image, MODE="stubborn"), Output()) for _ in range(2)]
    await call(instances[0], "leave_daemon")
    asyncio.create_task(driver.start(make_request(image, MODE="never"), Output()))
    print(driver.isolation.tier, *(instance.id for instance in instances), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def living(instance_ids: Collection[str]) -> list[int]:
    return [pid for pid, value in proctree.marked("NBFN_INSTANCE_ID").items() if value in instance_ids]


def wait_until_gone(pids: list[int]) -> None:
    """Returns when these processes have ended (a zombie counts as ended)."""
    for pid in pids:
        try:
            opened = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        select.select([opened], [], [], 60)
        os.close(opened)


@pytest.mark.parametrize("tier", ["T0", "T1", "T2"])
async def test_nothing_outlives_a_killed_executor(state: Path, tier: str) -> None:
    settings = config.load({"NBFN_STATE": str(state), "NBFN_TIER": tier})
    image = make_image(settings.images)
    executor = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed while this test looks on
        [sys.executable, "-c", EXECUTOR, str(state), tier, str(image)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    with executor, contextlib.ExitStack() as at_last:
        at_last.callback(executor.kill)
        assert executor.stdout
        allowed, *instance_ids = executor.stdout.readline().decode().split()
        if allowed != tier:
            lacking(f"this machine does not allow {tier}")
        before = living(instance_ids)
        assert len(before) >= 5
    wait_until_gone(before)
    assert living(instance_ids) == []

    driver = make_driver(settings)
    folders = list(ground_of(settings).run.iterdir())
    assert await driver.sweep() == len(folders) >= 2
    assert list(ground_of(settings).run.iterdir()) == []
    assert await driver.sweep() == 0
    await driver.close()

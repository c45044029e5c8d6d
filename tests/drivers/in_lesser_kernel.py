"""What is said where the kernel lacks a part. ``test_lesser_kernel.py`` runs it on one without overlayfs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.drivers import Guarded, SandboxDriver
from nbfn.drivers.base import StartFailed
from tests.drivers.rig import Output, call, make_image, make_request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


async def test_a_root_of_an_images_own_takes_overlayfs(state: Path) -> None:
    settings = config.load({"NBFN_STATE": str(state)})
    driver = Guarded(SandboxDriver(settings))
    assert driver.isolation.tier == "T2"
    assert any("overlayfs, for images" in gap for gap in driver.isolation.missing)
    own = make_image(settings.images, host="")
    for attempt in (driver.prepare(own), driver.start(make_request(own), Output())):
        with pytest.raises(StartFailed, match=r"takes overlayfs: mount overlay .*: No such device") as found:
            await attempt
        assert found.value.stage == "image", "whoever has Docker too leaves it to that"
        assert "modprobe overlay" in found.value.hint
    hosted = await driver.start(make_request(make_image(settings.images)), Output())
    assert await call(hosted, "echo", 1) == 1
    await driver.close()

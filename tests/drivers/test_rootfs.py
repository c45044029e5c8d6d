"""Roots of many layers, mounted for real."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.sandbox import roots

if TYPE_CHECKING:
    from pathlib import Path

# In a process of its own, which leaves the machine's root for good.
_ENTER = """
import json, os, sys
from nbfn.drivers.sandbox.confine import linux, rootfs
plan = json.load(sys.stdin)
linux.unshare(linux.CLONE_NEWNS)
rootfs.enter(plan)
with open("/topmost") as file:
    print(json.dumps({"files": sorted(os.listdir("/each")), "topmost": file.read(), "here": os.getcwd()}))
"""


@pytest.mark.needs("root")
@pytest.mark.parametrize("count", [1, 50, 125])
def test_an_image_may_have_many_layers(tmp_path: Path, count: int) -> None:
    """Docker makes up to 125, and a page of the kernel's holds the paths of about 35."""
    layers = []
    for number in range(count):
        layer = tmp_path / "unpacked" / f"{number:064x}"
        (layer / "each").mkdir(parents=True)
        (layer / "each" / f"{number:03}").touch()
        (layer / "topmost").write_text(str(number))
        layers.append(layer)
    (tmp_path / "m").mkdir()
    (tmp_path / "iofs").mkdir()
    plan = roots.image_root(layers, roots.Own(tmp_path / "m", 1, iofs=tmp_path / "iofs"))
    done = subprocess.run(
        [sys.executable, "-c", _ENTER], input=json.dumps(plan), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "files": [f"{number:03}" for number in range(count)],
        "topmost": str(count - 1),
        "here": "/",
    }

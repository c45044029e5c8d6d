from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Layer
from nbfn.containerize.image import LAYER_GZIP_TYPE, Descriptor, digest_of
from nbfn.containerize.unzipped import Unzipped
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

TAR = bytes(range(256)) * 4096
BLOB = gzip.compress(TAR[:500_000]) + gzip.compress(TAR[500_000:])  # of two parts, as some tools write


@pytest.fixture(params=["isal", "zlib"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What unzips; ``isal`` need not be installed."""
    name = str(request.param)
    if name == "isal":
        pytest.importorskip("isal")
    else:
        monkeypatch.setitem(sys.modules, "isal.igzip", None)
    return name


def unzipped(folder: Path, blob: bytes) -> bytes:
    path = folder / "layer"
    path.write_bytes(blob)
    layer = Layer(Descriptor(LAYER_GZIP_TYPE, digest_of(blob), len(blob)), digest_of(TAR), path)
    with path.open("rb") as file:
        tar, found = Unzipped(file, layer), b""
        while data := tar.read(70_000):
            found += data
        assert tar.size == len(found)
    return found


def test_the_same_bytes_come_out(tmp_path: Path, library: str) -> None:
    assert unzipped(tmp_path, BLOB) == TAR


@pytest.mark.parametrize(
    "blob",
    [
        BLOB[:-9],
        BLOB[:3000] + b"\xff" * 200 + BLOB[3200:],
        BLOB[:-8] + bytes(8),
        BLOB + b"more",
        b"\x1f\x8b\x08\x00" + b"\xff" * 100,
        b"no gzip at all",
    ],
    ids=["cut short", "damaged", "another sum", "something behind it", "nonsense", "something else"],
)
def test_damage_is_told(tmp_path: Path, library: str, blob: bytes) -> None:
    with pytest.raises(ImageError, match="layer cannot be decompressed: "):
        unzipped(tmp_path, blob)

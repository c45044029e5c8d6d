from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Image, Layout, validate
from nbfn.containerize.compress import compressed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("quick", [True, False], ids=["isal", "zlib"])
def test_compressed_layers_are_the_same_ones(
    built: Image, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    if not quick:
        monkeypatch.setitem(sys.modules, "isal", None)
    told: list[tuple[str, int, int]] = []
    zipped = compressed(built, layout, progress=lambda *step: told.append(step))
    assert validate(zipped) == []
    assert zipped.size < built.size
    assert [layer.diff_id for layer in zipped.layers] == [layer.diff_id for layer in built.layers]
    assert [layer.what for layer in zipped.layers] == [layer.what for layer in built.layers]
    with zipped.layers[0].open() as file, built.layers[0].open() as plain:
        assert gzip.decompress(file.read()) == plain.read()
    assert told[-1][1] == told[-1][2]
    assert compressed(zipped, layout).digest == zipped.digest
    elsewhere = Layout(tmp_path / "elsewhere")
    assert compressed(built, elsewhere).digest == zipped.digest  # on any day, in any folder

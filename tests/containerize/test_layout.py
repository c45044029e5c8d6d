from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Image, Layer, Layout, validate
from nbfn.containerize.image import LAYER_TYPE, Descriptor
from nbfn.containerize.layout import REF_NAME
from nbfn.errors import BadInput, ImageError, StateError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from pathlib import Path

PLATFORM = {"os": "linux", "architecture": "amd64"}
EMPTY_TAR = bytes(1024)


def image_in(layout: Layout, mark: str = "one") -> Image:
    """An image whose one layer is an empty tar; ``mark`` makes its digest another."""
    digest, size = layout.add(lambda sink: sink.write(EMPTY_TAR), "a layer", len(EMPTY_TAR))
    layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, layout.blob(digest))
    image = Image.empty(PLATFORM).append(layer, created_by="test")
    return image.configured(env={}, labels={"mark": mark}, Cmd=["true"])


def leftovers(layout: Layout) -> list[str]:
    return [path.name for path in (layout.path / ".nbfn" / "tmp").iterdir()]


def test_what_is_put_is_got_by_tag_and_by_digest(layout: Layout) -> None:
    image = image_in(layout)
    ref = layout.put(image, "nbfn.local/app/one")
    assert ref == ImageRef("nbfn.local/app/one", digest=image.digest)
    for name in (ref, str(ref), "nbfn.local/app/one", "nbfn.local/app/one:latest"):
        assert layout.get(name) == image
    assert layout.refs() == {"nbfn.local/app/one:latest": image.digest}
    assert validate(layout.get(ref)) == []


def test_it_is_an_oci_layout(layout: Layout) -> None:
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    assert json.loads((layout.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout.path / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    (entry,) = index["manifests"]
    assert entry["digest"] == ref.digest
    assert entry["platform"] == PLATFORM
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "nbfn.local/app/one:latest"}


def test_a_name_moves_and_the_old_image_is_still_found_by_digest(layout: Layout) -> None:
    old = layout.put(image_in(layout, "old"), "nbfn.local/app/one")
    layout.put(image_in(layout, "other"), "nbfn.local/app/two", tag="v2")
    new = layout.put(image_in(layout, "new"), "nbfn.local/app/one")
    assert layout.get("nbfn.local/app/one").digest == new.digest
    assert layout.get(old).labels["mark"] == "old"
    assert set(layout.refs()) == {"nbfn.local/app/one:latest", "nbfn.local/app/two:v2"}
    assert old.digest in layout.reachable([old.digest])
    assert old.digest not in layout.reachable([])


def test_putting_the_same_again_writes_nothing(layout: Layout) -> None:
    image = image_in(layout)
    layout.put(image, "nbfn.local/app/one")
    before = {path: path.stat().st_ino for path in layout.path.rglob("*") if path.is_file()}
    layout.put(image, "nbfn.local/app/one")
    assert {path: path.stat().st_ino for path in layout.path.rglob("*") if path.is_file()} == before


def test_a_name_can_be_forgotten(layout: Layout) -> None:
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    assert layout.remove("nbfn.local/app/one")
    assert not layout.remove("nbfn.local/app/one")
    assert layout.refs() == {}
    assert layout.get(ref).digest == ref.digest


def test_layers_from_elsewhere_are_copied_in(layout: Layout, tmp_path: Path) -> None:
    image = image_in(layout)
    other = Layout(tmp_path / "other")
    ref = other.put(image, "nbfn.local/app/one")
    got = other.get(ref)
    assert got.layers[0].path.is_relative_to(other.path)
    assert validate(got) == []
    image.layers[0].path.write_bytes(b"\1" * 1024)
    with pytest.raises(ImageError, match="damaged"):
        Layout(tmp_path / "third").put(image, "nbfn.local/app/one")


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nbfn.local/app/none", "there is no image nbfn.local/app/none:latest"),
        ("nbfn.local/app/none@sha256:" + "0" * 64, "is not in"),
    ],
)
def test_what_is_not_there_is_named(layout: Layout, ref: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        layout.get(ref)
    layout.put(image_in(layout), "nbfn.local/app/one")
    with pytest.raises(ImageError, match=message):
        layout.get(ref)
    with pytest.raises(BadInput):
        layout.get("nbfn.local/app/none@sha256:../../../etc/passwd")


def test_damage_is_seen_and_small_blobs_are_healed_by_putting_again(layout: Layout) -> None:
    image = image_in(layout)
    ref = layout.put(image, "nbfn.local/app/one")
    for damaged in (ref.digest, image.manifest["config"]["digest"]):
        path = layout.blob(damaged)
        path.write_bytes(path.read_bytes().replace(b"sha256", b"sha257"))
        with pytest.raises(ImageError, match="damaged"):
            layout.get(ref)
        layout.put(image, "nbfn.local/app/one")
        assert layout.get(ref) == image
    nothing = json.dumps({"manifests": [{"annotations": {REF_NAME: "x"}}]})
    for index in ("{", "[]", '{"manifests": 5}', nothing):
        (layout.path / "index.json").write_text(index)
        with pytest.raises(ImageError, match=r"index\.json") as caught:
            layout.get("nbfn.local/app/one")
        assert caught.value.hint.startswith("remove it")
        assert layout.get(ref) == image
    (layout.path / "index.json").unlink()
    assert Layout(layout.path).get(layout.put(image, "nbfn.local/app/one")) == image


def test_a_damaged_memory_of_layers_is_forgotten(layout: Layout) -> None:
    image = image_in(layout)
    key = "sha256:" + "1" * 64
    assert layout.recall(key) is None
    layout.remember(key, image.layers[0].descriptor)
    assert layout.recall(key) == image.layers[0].descriptor
    (layout.path / ".nbfn" / "layers" / ("1" * 64)).write_text("[")
    assert layout.recall(key) is None


def test_what_fails_halfway_leaves_nothing(layout: Layout) -> None:
    def fill(sink: object) -> None:
        sink.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        layout.add(fill, "a layer", 8)
    assert leftovers(layout) == []
    assert list((layout.path / "blobs" / "sha256").iterdir()) == []


def test_what_killed_processes_left_is_swept(layout: Layout) -> None:
    layout.ensure()
    old, new = (layout.path / ".nbfn" / "tmp" / name for name in ("1-old", "2-new"))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (0, 0))
    Layout(layout.path).ensure()
    assert leftovers(layout) == ["2-new"]


KILLED_IN = {
    "a blob": """
        layout.add(lambda sink: (sink.write(b"half"), stop()), "a layer", 8)
    """,
    "the index": """
        real = files.Sink.flush
        files.Sink.flush = lambda sink: stop() if b"manifests" in sink.path.read_bytes() else real(sink)
        layout.put(image_in(layout, "new"), "nbfn.local/app/one")
    """,
    "the lock": """
        with layout._lock():
            stop()
    """,
}


@pytest.mark.parametrize("where", KILLED_IN)
def test_kill_9_in_the_middle_of_a_write_costs_only_that_write(layout: Layout, where: str) -> None:
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    before = sorted(path.name for path in (layout.path / "blobs" / "sha256").iterdir())
    body = KILLED_IN[where].replace("\n        ", "\n")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom nbfn.containerize import Layout, files\n"
        "from tests.containerize.test_layout import image_in\n"
        "def stop():\n    print('here', flush=True)\n    signal.pause()\n"
        f"layout = Layout(Path(sys.argv[1]))\nlayout.ensure()\n{body}"
    )
    command = [sys.executable, "-c", script, str(layout.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert validate(layout.get(ref)) == []
    assert layout.refs() == {"nbfn.local/app/one:latest": ref.digest}
    if where != "the index":
        assert sorted(path.name for path in (layout.path / "blobs" / "sha256").iterdir()) == before
    layout.put(image_in(layout, "new"), "nbfn.local/app/one")
    assert layout.get("nbfn.local/app/one").labels["mark"] == "new"


def test_processes_that_put_at_once_lose_nothing(layout: Layout) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom nbfn.containerize import Layout\n"
        "from tests.containerize.test_layout import image_in\n"
        "sys.stdin.readline()\n"
        "for n in range(10):\n"
        "    layout = Layout(Path(sys.argv[1]))\n"
        "    layout.put(image_in(layout, str(n)), f'nbfn.local/app/{sys.argv[2]}-{n}')\n"
        "    layout.put(image_in(layout, str(n)), 'nbfn.local/app/shared')\n"
    )
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script, str(layout.path), name], stdin=subprocess.PIPE, text=True
                )
            )
            for name in ("a", "b", "c")
        ]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.close()
    assert [process.returncode for process in processes] == [0, 0, 0]
    refs = layout.refs()
    assert set(refs) == {f"nbfn.local/app/{p}-{n}:latest" for p in "abc" for n in range(10)} | {
        "nbfn.local/app/shared:latest"
    }
    assert all(validate(layout.get(name)) == [] for name in refs)
    assert leftovers(layout) == []


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    layout = Layout(tmp_path / "file" / "images")
    with pytest.raises(StateError, match="file/images") as caught:
        layout.put(Image.empty(PLATFORM), "nbfn.local/app/one")
    assert "NBFN_STATE" in caught.value.hint


@pytest.mark.needs("root")
def test_a_full_disk_is_said_so_and_nothing_half_written_stays(small_disk: Path) -> None:
    layout = Layout(small_disk / "images")
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    large = b"x" * (2 << 20)
    with pytest.raises(StateError) as caught:
        layout.add(lambda sink: sink.write(large), "the dependencies layer", len(large))
    text = str(caught.value)
    assert "no space left" in text
    assert str(layout.path) in text
    assert "the dependencies layer" in text
    assert "2,097,152 bytes" in text
    assert "are free" in text
    assert "NBFN_STATE" in text
    assert leftovers(layout) == []
    assert validate(layout.get(ref)) == []
    layout.put(image_in(layout, "small enough"), "nbfn.local/app/two")


@pytest.mark.needs("root")
def test_a_disk_that_fills_up_under_the_index_keeps_the_old_one(small_disk: Path) -> None:
    layout = Layout(small_disk / "images")
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    filler = small_disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    with pytest.raises(StateError, match="no space left"):
        layout.put(image_in(layout, "another"), "nbfn.local/app/one")
    assert layout.get("nbfn.local/app/one").digest == ref.digest
    filler.unlink()
    layout.put(image_in(layout, "another"), "nbfn.local/app/one")
    assert layout.get("nbfn.local/app/one").labels["mark"] == "another"


@pytest.mark.needs("root")
def test_a_read_only_disk_is_said_so(small_disk: Path) -> None:
    layout = Layout(small_disk / "images")
    ref = layout.put(image_in(layout), "nbfn.local/app/one")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StateError, match="not allowed to write") as caught:
        layout.put(image_in(layout, "another"), "nbfn.local/app/one")
    assert str(layout.path) in str(caught.value)
    assert layout.get(ref).digest == ref.digest

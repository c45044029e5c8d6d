"""One suite over every place that images come from and go to."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import subprocess
import tarfile
import tempfile
from typing import TYPE_CHECKING, Any

import docker
import pytest

from nbfn.containerize import Image, Layout, validate
from nbfn.containerize.compress import compressed
from nbfn.containerize.host import HOST_LABEL, machine_platform
from nbfn.containerize.image import LAYER_GZIP_TYPE, LAYER_TYPE, Descriptor, Layer, digest_of
from nbfn.containerize.places import Daemon, Folder, Remote, Tarball, find_place
from nbfn.containerize.registry import Access, Reference
from nbfn.errors import BadInput, ImageError, NbfnError, StateError
from tests.containerize.test_unpack import FILE, HARD, tar_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbfn.containerize.places import Place
    from nbfn.containerize.places.tarball import Form
    from tests.containerize.registries import Registry

    MakePlace = Callable[[str], Place]

KINDS = [
    "oci",
    "oci-archive",
    "docker-archive",
    pytest.param("registry", marks=pytest.mark.needs("docker-registry")),
    pytest.param("docker-daemon", marks=pytest.mark.needs("docker")),
]


@pytest.fixture(params=KINDS)
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakePlace]:
    """A place of one kind for a name; the same name is the same place."""
    mark = digest_of(request.node.nodeid.encode())[7:19]
    registry: Registry | None = None
    if request.param == "registry":
        registry = request.getfixturevalue("registry")

    def make(name: str) -> Place:
        match request.param:
            case "oci":
                return Folder(tmp_path / "folder", f"{name}:1")
            case "oci-archive":
                return Tarball(tmp_path / f"{name}.tar", f"{name}:1")
            case "docker-archive":
                return Tarball(tmp_path / f"{name}.tar", f"{name}:1", "docker-archive")
            case "docker-daemon":
                return Daemon(f"nbfn-test-{mark}/{name}:1")
        assert registry is not None
        return Remote(Reference.parse(f"{registry.host}/place-{mark}/{name}:1"))

    yield make
    if request.param == "docker-daemon":
        with contextlib.closing(docker.from_env()) as client:
            for image in client.images.list(f"nbfn-test-{mark}/*"):
                for tag in image.tags:
                    if tag.startswith(f"nbfn-test-{mark}/"):
                        client.images.remove(tag, force=True)


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "other")


def test_what_is_stored_is_fetched(
    make_place: MakePlace, built: Image, layout: Layout, other: Layout
) -> None:
    place = make_place("greet")
    for image in (built, compressed(built, layout)):
        told: list[tuple[str, int, int]] = []
        place.store(image, progress=lambda *step: told.append(step))  # noqa: B023 - used at once
        found = place.fetch(other, progress=lambda *step: told.append(step))  # noqa: B023
        assert found.config_bytes == image.config_bytes
        assert [layer.diff_id for layer in found.layers] == [layer.diff_id for layer in image.layers]
        assert validate(found) == []
        if place.exact:
            assert found.digest == image.digest
        assert told[-1][1] == told[-1][2] > 1000  # bytes
    assert other.get(f"x@{found.digest}").digest == found.digest


def test_another_image_is_another_state(make_place: MakePlace, built: Image) -> None:
    place = make_place("greet")
    place.store(built)
    first = place.state()
    assert place.state() == first
    place.store(built.configured(env={"A": "1"}, labels={}))
    assert place.state() != first


def test_what_is_not_there(make_place: MakePlace, built: Image, other: Layout) -> None:
    make_place("greet").store(built)
    for ask in (make_place("nobody").state, lambda: make_place("nobody").fetch(other)):
        with pytest.raises(ImageError, match="nobody"):
            ask()
    assert other.refs() == {}


def test_a_missing_layer_stores_nothing(
    make_place: MakePlace, built: Image, other: Layout, tmp_path: Path
) -> None:
    copy = Folder(tmp_path / "copy", "x")
    copy.store(built)
    image = copy.fetch(other)
    image.layers[-1].path.unlink()
    place = make_place("greet")
    with pytest.raises(ImageError, match="missing"):
        place.store(image)
    with pytest.raises(ImageError):
        place.state()


def made_of(layer: Layer) -> Image:
    return Image.empty(machine_platform()).append(layer, created_by="a test")


def layer_of(folder: Path, tar: bytes, *, zipped: bool = False) -> Layer:
    blob = gzip.compress(tar) if zipped else tar
    path = folder / digest_of(blob)[7:]
    path.write_bytes(blob)
    media_type = LAYER_GZIP_TYPE if zipped else LAYER_TYPE
    return Layer(Descriptor(media_type, digest_of(blob), len(blob)), digest_of(tar), path)


def nothing_of(layout: Layout, layer: Layer) -> bool:
    """Neither whole nor in part, and nothing refers to it."""
    left = [*(layout.path / ".nbfn/tmp").iterdir(), *layout.partials.iterdir()]
    blobs = (layer.descriptor.digest, layer.diff_id)
    return not left and not layout.refs() and not any(layout.blob(each).exists() for each in blobs)


HOSTILE = {
    "out": ("../x", FILE, b"x", "leaves the image"),
    "absolute": ("/etc/x", FILE, b"x", "is absolute"),
    "device": ("dev/sda", tarfile.BLKTYPE, b"", "is a device"),
    "pipe": ("run/x", tarfile.FIFOTYPE, b"", "a device, a pipe"),
    "through": ("x/y", HARD, "../../etc/passwd", "is a hard link to"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("make_place", KINDS[:4], indirect=True)  # a daemon takes none of these itself
def test_what_must_not_be_unpacked_is_not_kept(
    make_place: MakePlace, other: Layout, tmp_path: Path, case: str, zipped: bool
) -> None:
    place = make_place("hostile")
    name, kind, content, message = HOSTILE[case]
    good = layer_of(tmp_path, tar_of(("etc/fine", FILE, b"1")))
    bad = layer_of(tmp_path, tar_of(("etc/good", FILE, b"1"), (name, kind, content)), zipped=zipped)
    place.store(made_of(good).append(bad, created_by="a test"))
    other.ensure()
    with pytest.raises(ImageError, match=f"layer 2 of .* is not kept: .*{message}") as caught:
        place.fetch(other)
    assert caught.value.hint
    assert nothing_of(other, bad)


def test_what_a_system_may_hold_is_judged_again_for_an_image_without_one(
    make_place: MakePlace, other: Layout, tmp_path: Path
) -> None:
    layer = layer_of(tmp_path, tar_of(("etc/link", tarfile.SYMTYPE, "/etc/passwd")))
    system, hosted = make_place("system"), make_place("hosted")
    system.store(made_of(layer))
    system.fetch(other)
    hosted.store(made_of(layer).configured(env={}, labels={HOST_LABEL: "x"}))
    known = other.manifests()
    with pytest.raises(ImageError, match=r"layer 1 of .* is not kept: 'etc/link' links out of the image"):
        hosted.fetch(other)
    assert other.manifests() == known


@pytest.mark.parametrize("make_place", [KINDS[0], KINDS[1], KINDS[3]], indirect=True)  # what stays zipped
def test_what_is_here_is_judged_again_for_an_image_that_says_other_contents(
    make_place: MakePlace, other: Layout, tmp_path: Path
) -> None:
    layer = layer_of(tmp_path, tar_of(("etc/fine", FILE, b"1")), zipped=True)
    true, false = make_place("true"), make_place("false")
    true.store(made_of(layer))
    true.fetch(other)
    false.store(made_of(Layer(layer.descriptor, digest_of(b"else"), layer.path)))
    known = other.manifests()
    with pytest.raises(ImageError, match=r"layer 1 of .* is not kept: the tar has the digest .*, not its"):
        false.fetch(other)
    assert other.manifests() == known


@pytest.mark.parametrize("host", [False, True])
def test_what_was_judged_for_such_an_image_is_not_judged_again(
    make_place: MakePlace, other: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: bool
) -> None:
    image = made_of(layer_of(tmp_path, tar_of(("etc/fine", FILE, b"1"))))
    place = make_place("known")
    place.store(image.configured(env={}, labels={HOST_LABEL: "x"} if host else {}, Cmd=["true"]))
    first = place.fetch(other)
    monkeypatch.setattr("nbfn.containerize.judge.contents_problems", lambda *_, **__: ["judged again"])
    assert place.fetch(other).digest == first.digest


@pytest.mark.parametrize("make_place", [KINDS[0], KINDS[1], KINDS[3]], indirect=True)  # what stays zipped
def test_a_bomb_is_not_kept(
    make_place: MakePlace, other: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make_place("bomb")
    bad = layer_of(tmp_path, tar_of(("zeros", FILE, bytes(4 << 20))), zipped=True)
    place.store(made_of(bad))
    monkeypatch.setattr("nbfn.containerize.image._GROWN_MAX_BYTES", 1 << 20)
    other.ensure()
    with pytest.raises(ImageError, match=r"grows to more than 1,048,576: a bomb"):
        place.fetch(other)
    assert nothing_of(other, bad)


def test_an_image_that_is_not_wanted_is_not_fetched(
    make_place: MakePlace, other: Layout, tmp_path: Path
) -> None:
    place = make_place("unwanted")
    layer = layer_of(tmp_path, tar_of(("etc/fine", FILE, make_place.__name__.encode())))
    place.store(made_of(layer).configured(env={"PYTHON_VERSION": "3.8.1"}, labels={"a": "b"}))

    def refuse(about: Mapping[str, Any]) -> None:
        here = machine_platform()
        assert (about["os"], about["architecture"]) == (here["os"], here["architecture"])
        assert about["config"]["Labels"] == {"a": "b"}
        assert "PYTHON_VERSION=3.8.1" in about["config"]["Env"]
        raise ImageError("not this one")

    told: list[object] = []
    other.ensure()
    with pytest.raises(ImageError, match="not this one"):
        place.fetch(other, accept=refuse, progress=lambda *step: told.append(step))
    assert not told
    assert nothing_of(other, layer)


@pytest.mark.needs("root")
def test_where_there_is_no_room_nothing_is_begun(
    make_place: MakePlace, small_disk: Path, tmp_path: Path
) -> None:
    place = make_place("large")
    layer = layer_of(tmp_path, tar_of(("noise", FILE, os.urandom(2 << 20))))
    place.store(made_of(layer))
    layout, told = Layout(small_disk / "images"), []
    layout.ensure()
    with pytest.raises(StateError, match=r"no space left in .*: it needs 2,\d+,\d+ bytes or more"):
        place.fetch(layout, progress=lambda *step: told.append(step))
    assert nothing_of(layout, layer)
    assert not told or isinstance(place, Daemon)


@pytest.mark.needs("root", "docker")
def test_what_the_daemon_saves_needs_room_too(
    small_disk: Path, other: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Daemon("nbfn-test-room/large:1")
    place.store(made_of(layer_of(tmp_path, tar_of(("noise", FILE, os.urandom(2 << 20))))))
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    try:
        with pytest.raises(StateError, match=r"no space left in .* for the image docker-daemon:.*") as caught:
            place.fetch(other)
    finally:
        with contextlib.closing(docker.from_env()) as client:
            client.images.remove(place.name)
    assert "TMPDIR" in caught.value.hint
    assert not list(small_disk.iterdir())


class TestTarballs:
    def test_a_header_that_would_fill_the_memory_is_not_read(self, tmp_path: Path, other: Layout) -> None:
        info = tarfile.TarInfo("x")
        info.type, info.size = tarfile.XHDTYPE, 2 << 20
        layer = tar_of(("oci-layout", FILE, b"{}"))[:1024] + info.tobuf() + bytes(info.size)
        (tmp_path / "a.tar").write_bytes(layer + tar_of(("index.json", FILE, b"{}")))
        with pytest.raises(ImageError, match="cannot be read as an image: a header of 2,097,152 bytes"):
            Tarball(tmp_path / "a.tar").fetch(other)

    def test_what_is_no_tar_is_said_in_one_line(self, tmp_path: Path, other: Layout) -> None:
        (tmp_path / "a.tar").write_text("nothing of the kind")
        with pytest.raises(ImageError, match=r"a\.tar cannot be read as an image: it is no tar\n") as caught:
            Tarball(tmp_path / "a.tar").fetch(other)
        assert "docker save" in caught.value.hint

    @pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
    def test_a_file_that_is_not_there(self, tmp_path: Path, form: Form) -> None:
        with pytest.raises(ImageError, match=r"a\.tar cannot be read: No such file") as caught:
            Tarball(tmp_path / "a.tar", form=form).state()
        assert "docker save" in caught.value.hint

    def test_which_of_several_is_to_be_said(self, built: Image, tmp_path: Path, other: Layout) -> None:
        place = Tarball(tmp_path / "a.tar", "team/a:1", "docker-archive")
        place.store(built)
        with pytest.raises(ImageError, match=r"has 0 images of that name; there are: team/a:1") as caught:
            Tarball(place.path, "team/b:1", "docker-archive").fetch(other)
        assert "PATH:NAME" in caught.value.hint

    @pytest.mark.parametrize("zipped", [False, True])
    def test_a_whole_file_that_is_a_bomb(
        self, tmp_path: Path, other: Layout, monkeypatch: pytest.MonkeyPatch, zipped: bool
    ) -> None:
        path = tmp_path / "a.tar"
        with (gzip.open if zipped else open)(path, "wb") as file:
            head = tarfile.TarInfo("oci-layout")
            head.size = 4 << 20
            file.write(head.tobuf())
            if zipped:
                file.write(bytes(4 << 20))
        monkeypatch.setattr("nbfn.containerize.image._GROWN_MAX_BYTES", 1 << 20)
        with pytest.raises(ImageError, match=r"grows to more than 1,048,576: a bomb"):
            Tarball(path).fetch(other)

    @pytest.mark.needs("skopeo")
    def test_skopeo_reads_and_writes_them(self, built: Image, tmp_path: Path, other: Layout) -> None:
        ours, theirs = tmp_path / "ours.tar", tmp_path / "theirs.tar"
        for form in ("oci-archive", "docker-archive"):
            place = Tarball(ours, "greet:1", form)  # type: ignore[arg-type]
            place.store(built)
            theirs.unlink(missing_ok=True)
            subprocess.run(["skopeo", "copy", "-q", str(place), f"{form}:{theirs}:greet:1"], check=True)
            found = Tarball(theirs, "greet:1", form).fetch(other)  # type: ignore[arg-type]
            assert [x.diff_id for x in found.layers] == [x.diff_id for x in built.layers]

    def test_a_whole_file_may_be_zipped(self, built: Image, tmp_path: Path, other: Layout) -> None:
        Tarball(tmp_path / "a.tar").store(built)
        (tmp_path / "a.tar.gz").write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes(), 1))
        assert Tarball(tmp_path / "a.tar.gz").fetch(other).digest == built.digest

    @pytest.mark.parametrize("cut", [0, 100, 20_000, -700])
    @pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
    def test_a_damaged_one_gives_nothing(
        self, built: Image, tmp_path: Path, other: Layout, cut: int, form: str
    ) -> None:
        place = Tarball(tmp_path / "a.tar", "", form)  # type: ignore[arg-type]
        place.store(built)
        whole = place.path.read_bytes()
        last = place.path.read_bytes().rindex(b"func.py")
        place.path.write_bytes(whole[:cut] if cut >= 0 else whole[:last] + b"FUNC" + whole[last + 4 :])
        with pytest.raises(ImageError):
            place.fetch(other)
        assert other.refs() == {}

    def test_links_lead_nowhere_but_into_the_file(self, tmp_path: Path, other: Layout) -> None:
        (tmp_path / "secret").write_text("{}")
        path = tmp_path / "a.tar"
        for target in ("../secret", "/etc/passwd", "c.json"):
            with tarfile.open(path, "w") as tar:
                about = json.dumps([{"Config": "c.json", "Layers": [], "RepoTags": []}]).encode()
                info = tarfile.TarInfo("manifest.json")
                info.size = len(about)
                tar.addfile(info, io.BytesIO(about))
                link = tarfile.TarInfo("c.json")
                link.type, link.linkname = tarfile.SYMTYPE, target
                tar.addfile(link)
            with pytest.raises(ImageError, match=r"no c\.json"):
                Tarball(path).fetch(other)

    @pytest.mark.needs("root")
    def test_a_full_disk_leaves_the_old_one(self, built: Image, small_disk: Path) -> None:
        place = Tarball(small_disk / "a.tar")
        place.path.write_bytes(b"old")
        with (small_disk / "filler").open("wb") as file:
            file.write(bytes(900_000))
        with pytest.raises(StateError, match="no space"):
            place.store(built)
        assert place.path.read_bytes() == b"old"
        assert sorted(x.name for x in small_disk.iterdir()) == ["a.tar", "filler"]


@pytest.mark.needs("skopeo")
def test_a_layout_of_skopeo_s_has_short_names(built: Image, tmp_path: Path, other: Layout) -> None:
    Tarball(tmp_path / "a.tar", "x:1").store(built)
    copy = [
        "skopeo",
        "copy",
        "-q",
        "--preserve-digests",
        f"oci-archive:{tmp_path / 'a.tar'}:x:1",
        f"oci:{tmp_path / 'f'}:latest",
    ]
    subprocess.run(copy, check=True)
    assert Folder(tmp_path / "f", "latest").fetch(other).digest == built.digest
    assert Folder(tmp_path / "f").fetch(other).digest == built.digest
    with pytest.raises(ImageError, match="there are: latest"):
        Folder(tmp_path / "f", "stable").state()


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("oci:/a/b:x:1", Folder, "oci:/a/b:x:1"),
        ("oci-archive:/a/b.tar", Tarball, "oci-archive:/a/b.tar"),
        ("docker-archive:/a/b.tar:x:1", Tarball, "docker-archive:/a/b.tar:x:1"),
        ("docker-daemon:x:1", Daemon, "docker-daemon:x:1"),
        ("docker://localhost:5000/x", Remote, "docker://localhost:5000/x:latest"),
        ("fnproject/python:3.11", Remote, "docker://docker.io/fnproject/python:3.11"),
    ],
)
def test_a_text_names_a_place(text: str, kind: type, name: str) -> None:
    found = find_place(text, Access())
    assert isinstance(found, kind)
    assert str(found) == name


def test_a_path_names_a_place(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"")
    assert find_place(str(tmp_path), Access()) == Folder(tmp_path)
    assert find_place(str(tmp_path / "x.tar"), Access()) == Tarball(tmp_path / "x.tar")
    for text in (str(tmp_path / "y"), "oci:", "Oci:x", ""):
        with pytest.raises(BadInput):
            find_place(text, Access())
    with pytest.raises(BadInput) as caught:
        find_place("docker-daemon:", Access())
    assert caught.value.hint == "write it like docker-daemon:NAME"


def test_no_daemon_is_said_so() -> None:
    with pytest.raises(NbfnError, match="daemon"):
        Daemon("x", "unix:///nonexistent.sock").state()

"""One suite over every place that images come from and go to."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

import docker
import pytest

from nbfn.containerize import Image, Layout, validate
from nbfn.containerize.compress import compressed
from nbfn.containerize.image import digest_of
from nbfn.containerize.places import Daemon, Folder, Remote, Tarball, find_place
from nbfn.containerize.registry import Access, Reference
from nbfn.errors import BadInput, ImageError, NbfnError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbfn.containerize.places import Place
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
        assert told[-1][1] == told[-1][2] > 0
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


class TestTarballs:
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


def test_no_daemon_is_said_so() -> None:
    with pytest.raises(NbfnError, match="daemon"):
        Daemon("x", "unix:///nonexistent.sock").state()

"""Functions on bases: a Debian with its own Python, from every place, checked against the capture."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import anyio
import docker
import pytest

from nbfn import config
from nbfn.containerize import Image, Layer, Layout, build, publish, validate
from nbfn.containerize.bases import find_base
from nbfn.containerize.compress import compressed
from nbfn.containerize.examine import examine
from nbfn.containerize.host import machine_platform
from nbfn.containerize.image import LAYER_TYPE, Descriptor, digest_of
from nbfn.containerize.places import Folder, Remote, Tarball
from nbfn.containerize.registry import Access, Reference, pull, push
from nbfn.drivers import make_driver
from nbfn.errors import BadInput, ImageError, RegistryError
from nbfn.spec import PythonVersion
from tests.containerize.conftest import make_capture, make_spec
from tests.containerize.registries import bad_line, running
from tests.drivers.rig import Output, make_request
from tests.drivers.test_real_image import post

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containerize.registries import Registry

HERE = machine_platform()
DEBIAN_PYTHON = PythonVersion(3, 11)
SOURCE = """\
import json, os, sys

def greet(name):
    try:
        open("/function/x", "w")
        written = True
    except OSError:
        written = False
    open("/tmp/x", "w").close()
    return [f"Hello {name}", sys.version_info[:2], os.getuid(), os.getgid(), written]
"""


def tar_layer(folder: Path, files: dict[str, bytes | str]) -> Layer:
    """A layer of files, and of links where the content is a text."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    data = out.getvalue()
    folder.mkdir(exist_ok=True)
    path = folder / digest_of(data)[7:]
    path.write_bytes(data)
    return Layer(Descriptor(LAYER_TYPE, digest_of(data), len(data)), digest_of(data), path)


GLIBC = b"\x7fELF GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"


def made_base(
    folder: Path,
    files: dict[str, bytes | str],
    *,
    env: dict[str, str] | None = None,
    platform: dict[str, str] = HERE,
) -> Image:
    image = Image.empty(platform).append(tar_layer(folder, files), created_by="a test")
    return image.configured(env=env or {}, labels={}, Cmd=["bash"])


class TestExamine:
    @pytest.mark.parametrize(
        ("files", "env", "python", "libc"),
        [
            ({"usr/bin/python3": "python3.12"}, {}, None, ("", (0, 0))),
            ({"usr/bin/python3": "python3.12", "usr/bin/python3.12": b""}, {}, (3, 12), ("", (0, 0))),
            (
                {
                    "bin": "usr/bin",
                    "usr/bin/python3": "/etc/alternatives/python3",
                    "etc/alternatives/python3": "../../opt/py/bin/python3.13",
                    "opt/py/bin/python3.13": b"",
                    "lib/x86_64-linux-gnu/libc.so.6": GLIBC,
                },
                {"PATH": "/nowhere:/bin"},
                (3, 13),
                ("glibc", (2, 36)),
            ),
            (
                {"lib64/libc.so.6": "libc-2.28.so", "lib64/libc-2.28.so": b""},
                {"PYTHON_VERSION": "3.9.18"},
                (3, 9),
                ("glibc", (2, 28)),
            ),
            ({"lib/ld-musl-x86_64.so.1": b""}, {"PYTHON_VERSION": "3.11.2"}, (3, 11), ("musl", (1, 2))),
            ({"usr/bin/python3": "loop", "usr/bin/loop": "python3"}, {}, None, ("", (0, 0))),
        ],
    )
    def test_what_a_base_brings(
        self,
        tmp_path: Path,
        files: dict[str, bytes | str],
        env: dict[str, str],
        python: tuple[int, int] | None,
        libc: tuple[str, tuple[int, int]],
    ) -> None:
        found = examine(made_base(tmp_path, files, env=env))
        assert found.python == python
        assert (found.libc, found.libc_version) == libc

    def test_it_is_read_as_it_is_unzipped_and_needs_no_room_for_that(
        self, tmp_path: Path, layout: Layout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        files: dict[str, bytes | str] = {
            "usr/bin/python3": "python3.12",
            "usr/bin/python3.12": b"x" * 3_000_000,
            "usr/lib/libc.so.6": GLIBC,
        }
        image = compressed(made_base(tmp_path, files), layout)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
        found = examine(image)
        assert (found.python, found.libc, found.libc_version) == ((3, 12), "glibc", (2, 36))

    def test_what_a_higher_layer_deleted_is_not_there(self, tmp_path: Path) -> None:
        image = made_base(tmp_path, {"usr/bin/python3": "python3.12", "usr/bin/python3.12": b""})
        image = image.append(tar_layer(tmp_path, {"usr/bin/.wh.python3": b""}), created_by="a test")
        assert examine(image).python is None


def test_a_base_that_does_not_fit_says_what_to_do(tmp_path: Path, layout: Layout) -> None:
    cases = {
        "old": ({}, {"PYTHON_VERSION": "3.8.1"}, HERE, "brings Python 3.8, and the code was captured on"),
        "none": ({}, {}, HERE, "has no python3"),
        "arm": ({}, {}, {"os": "linux", "architecture": "s390x"}, "is for linux/s390x, and this machine is"),
    }
    for name, (files, env, platform, message) in cases.items():
        base = Folder(tmp_path / "bases", name)
        made = made_base(tmp_path / "made", {"x": name.encode(), **files}, env=env, platform=platform)
        base.store(made)
        with pytest.raises(ImageError, match=message) as caught:
            build(make_spec(base=str(base)), make_capture(), layout)
        assert caught.value.hint
        came = layout.blob(made.layers[0].descriptor.digest).exists()
        assert came == (name == "none")  # what its config tells is known before its layers come
    assert layout.refs() == {}


def base_env() -> dict[str, str]:
    python = make_capture().python
    return {"PYTHON_VERSION": f"{python}.1"}


def test_a_base_that_changed_is_seen(tmp_path: Path, layout: Layout) -> None:
    place = Tarball(tmp_path / "base.tar")
    spec = make_spec(base=str(place))
    digests = []
    for content in (b"1", b"2", b"2"):
        place.store(made_base(tmp_path / "made", {"etc/x": content}, env=base_env()))
        digests.append(build(spec, make_capture(), layout).image.digest)
    assert digests[0] != digests[1] == digests[2]
    image = layout.get(f"x@{digests[0]}")
    assert validate(image) == []
    runs = image.config["config"]
    assert runs["User"] == "1000:1000"
    assert runs["Entrypoint"][0] == "python3"
    assert "Cmd" not in runs
    assert runs["Labels"]["org.nbfn.base"] == str(place)
    assert "org.nbfn.host" not in runs["Labels"]
    assert [layer.what for layer in image.layers] == ["base", "runtime", "code"]


@pytest.mark.needs("docker-registry")
def test_a_registry_that_is_gone_does_not_stop_a_build(tmp_path: Path, layout: Layout) -> None:
    with running(tmp_path / "registry") as registry, bad_line(registry) as line:
        text = f"{line.host}/bases/python:1"
        place = Remote(Reference.parse(text))
        place.store(made_base(tmp_path / "made", {"etc/x": b"1"}, env=base_env()))
        settings = config.load({"NBFN_STATE": str(tmp_path), "NBFN_BASE": f"{line.host}/bases/python:1"})
        first = build(make_spec(base=text), make_capture(), layout)
        line.log.clear()
        assert build(make_spec(base=text), make_capture(), layout).image == first.image
        assert line.log == []  # it was asked a moment ago
        by_setting = find_base("fn", layout, settings=settings)
        assert by_setting.image.layers == find_base(text, layout).image.layers
    for note in (layout.path / ".nbfn/bases").iterdir():
        os.utime(note, (0, 0))
    assert build(make_spec(base=text), make_capture(), layout).image == first.image
    with pytest.raises(RegistryError, match="cannot be reached"):
        build(make_spec(base=text), make_capture(), Layout(tmp_path / "empty"))


@pytest.mark.needs("docker-registry")
def test_the_base_of_containers_that_cannot_be_had(
    registry: Registry, tmp_path: Path, layout: Layout
) -> None:
    minor = make_capture().python
    for where, message, also in (
        ("127.0.0.1:1", "cannot be reached", "does this machine reach it"),
        (registry.host, "is not in the registry", "Fn has images of Python 3.11 and 3.12"),
    ):
        settings = config.load({"NBFN_STATE": str(tmp_path), "NBFN_BASE": f"{where}/fn/python:{{python}}"})
        said = rf"base 'fn', .* is {where}/fn/python:{minor}, which cannot be used: .*{message}"
        with pytest.raises(RegistryError, match=said) as caught:
            build(make_spec(base="fn"), make_capture(), layout, settings=settings)
        for part in (also, f"another image that brings Python {minor}", "NBFN_BASE=", "--base"):
            assert part in caught.value.hint
        with pytest.raises(RegistryError) as asked:
            find_base(f"{where}/fn/python:1", layout, settings=settings)
        assert "NBFN_BASE" not in str(asked.value)
    for where, kind in (("not an image", BadInput), ("oci:/nowhere", ImageError)):
        settings = config.load({"NBFN_STATE": str(tmp_path), "NBFN_BASE": where})
        with pytest.raises(kind, match=f"base 'fn', .* is {where}, which cannot be used: ") as other:
            build(make_spec(base="fn"), make_capture(), layout, settings=settings)
        assert "NBFN_BASE=" in other.value.hint
    assert layout.refs() == {}


@pytest.mark.needs("docker-registry")
def test_the_base_s_layers_are_mounted_when_it_is_published(
    registry: Registry, tmp_path: Path, layout: Layout
) -> None:
    with bad_line(registry) as line:
        base = Remote(Reference.parse(f"{line.host}/published/base:1"))
        base.store(made_base(tmp_path / "made", {"etc/x": os.urandom(1000)}, env=base_env()))
        settings = config.load({"NBFN_STATE": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)})
        built = build(make_spec(base=str(base.ref)), make_capture(), layout, settings=settings)
        there = publish(built.image, f"{line.host}/published/greet:1", layout, settings=settings)
        assert there.repository == f"{line.host}/published/greet"
        assert layout.get(there).digest == there.digest
        mounts = [path for _, path in line.log if "mount=" in path]
        assert mounts
        assert all("from=published%2Fbase" in path for path in mounts)
        line.log.clear()
        assert publish(built.image, f"{line.host}/published/greet:1", layout, settings=settings) == there
        assert not [path for method, path in line.log if method == "POST"]
    file = f"oci-archive:{tmp_path / 'a.tar'}"
    assert publish(built.image, file, layout, settings=settings).digest == built.image.digest
    assert Tarball(tmp_path / "a.tar").fetch(Layout(tmp_path / "other")).digest == built.image.digest


@pytest.mark.needs("docker", "docker-registry")
def test_docker_pulls_the_digest_that_was_published(
    registry: Registry, tmp_path: Path, layout: Layout
) -> None:
    base = Tarball(tmp_path / "base.tar")
    base.store(made_base(tmp_path / "made", {"etc/x": b"1"}, env=base_env()))
    built = build(make_spec(base=str(base)), make_capture(), layout)
    name = f"{registry.host}/pulled/greet"
    there = publish(built.image, f"{name}:1", layout)
    with contextlib.closing(docker.from_env()) as client:
        pulled = client.images.pull(name, "1")
        try:
            assert pulled.attrs["RepoDigests"] == [f"{name}@{there.digest}"]
        finally:
            client.images.remove(f"{name}:1")


@pytest.fixture(scope="session")
def debian(debian: Image) -> Image:
    """That Debian, configured as an image of its own would be."""
    return debian.configured(env={}, labels={}, Cmd=["bash"])


@pytest.mark.anyio
@pytest.mark.needs("base", "docker-registry", "skopeo", "root")
@pytest.mark.xdist_group("debian")
async def test_one_digest_in_the_registry_in_skopeo_and_in_the_sandbox(
    registry: Registry, debian: Image, state: Path, tmp_path: Path
) -> None:
    settings = config.load({"NBFN_STATE": str(state)})
    layout = Layout(settings.images)
    push(debian, Reference.parse(f"{registry.host}/debian/python:3.11"), Access())

    spec = make_spec(base=f"{registry.host}/debian/python:3.11")
    capture = make_capture(SOURCE, python=DEBIAN_PYTHON)
    built = build(spec, capture, layout, settings=settings)
    assert build(spec, capture, layout, settings=settings).reused
    ref = Reference.parse(f"{registry.host}/functions/greet:1")
    pushed = publish(built.image, str(ref), layout, settings=settings)
    target = tmp_path / "skopeo"
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{ref}", f"dir:{target}"]
    await anyio.run_process(copy)
    assert digest_of((target / "manifest.json").read_bytes()) == pushed.digest

    other = config.load({"NBFN_STATE": str(state / "other")})
    pulled = pull(ref, Layout(other.images), Access())
    assert pulled.digest == pushed.digest
    driver = make_driver(other)
    instance = await driver.start(make_request(pushed), Output())
    head, body = await post(instance.socket, b'{"name": "you"}')
    assert head.startswith("HTTP/1.1 200 "), (head, body)
    assert json.loads(body) == ["Hello you", [3, 11], 1000, 1000, False]
    await driver.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

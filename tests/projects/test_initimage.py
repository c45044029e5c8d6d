"""What an init image prints, taken apart; and one that Docker runs."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import docker
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize.dockerrun import printed
from nbfn.errors import BadInput, ImageError
from nbfn.projects import init
from nbfn.projects.initimage import unpacked
from tests.commands.fnline import fn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABOUT = (
    b"runtime: go\nbuild_image: me/go:dev\nrun_image: me/go\nentrypoint: ./func\nmemory: 999\nbuild: [make]\n"
)
_DOCKER = pytest.mark.needs("docker", "toolchains", "root")


def tar(files: dict[str, bytes], *links: tuple[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if name.endswith(".sh") else 0o640
            archive.addfile(info, io.BytesIO(content))
        for name, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return stream.getvalue()


def test_files_and_what_func_yaml_has(tmp_path: Path) -> None:
    found = unpacked(tar({"./func.init.yaml": ABOUT, "a/func.go": b"package", "run.sh": b"#!"}), "me/init")
    assert found.about == {
        "runtime": "go",
        "build_image": "me/go:dev",
        "run_image": "me/go",
        "entrypoint": "./func",
        "build": ["make"],
    }, "memory is the person's to say"
    found.write(tmp_path)
    assert (tmp_path / "a" / "func.go").read_bytes() == b"package"
    assert (tmp_path / "run.sh").stat().st_mode & 0o111
    assert not (tmp_path / "func.init.yaml").exists()
    with pytest.raises(BadInput, match=r"func\.go is there already"):
        found.write(tmp_path)
    found.write(tmp_path, force=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty file"),
        (b"hello\n" * 200, "cannot be unpacked"),
        (tar({"func.go": b""}), "has no func.init.yaml"),
        (tar({"func.init.yaml": ABOUT, "../out": b""}), "leaves the image"),
        (tar({"func.init.yaml": ABOUT, "/etc/x": b""}), "is absolute"),
        (tar({"func.init.yaml": ABOUT}, ("x", "/etc")), "links out of the image"),
        (tar({"func.init.yaml": ABOUT}, ("x", "y")), "is a symlink"),
        (tar({"func.init.yaml": b"a: b: c"}), "func.init.yaml of me/init:1:5"),
        (tar({"func.init.yaml": b"\xff"}), "is not UTF-8"),
        (tar({"func.init.yaml": ABOUT, "long": b"x" * 4096})[:3000], "unexpected end of data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_such_tar(content: bytes, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        unpacked(content, "me/init")
    assert said in caught.value.message


@given(st.binary(max_size=2048))
def test_any_bytes_are_taken_or_refused(content: bytes) -> None:
    with pytest.raises(BadInput):
        unpacked(content, "me/init")


def test_a_runtime_and_an_image_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a runtime and an init image"):
        init(tmp_path / "x", "go", init_image="me/init")
    assert not (tmp_path / "x").exists()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An init image, as its makers build them: a script that tars what is in it."""
    folder, name = tmp_path_factory.mktemp("init-image"), "nbfn-test/init-image:1"
    (folder / "func.init.yaml").write_bytes(ABOUT)
    (folder / "func.go").write_text('package main // hello from "NAME"\n')
    (folder / "Dockerfile").write_text(
        "FROM nbfn-test/base\nCOPY func.* /code/\n"
        'CMD ["sh", "-c", "cd /code && sed -i s/NAME/$FN_FUNCTION_NAME/ func.go && tar c *"]\n'
    )
    client = docker.from_env()
    client.images.build(path=str(folder), tag=name, rm=True)
    yield name
    client.images.remove(name, force=True)
    client.close()


@_DOCKER
def test_docker_runs_it(image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = fn("init", "--init-image", image, "--memory", "512", "--cmd", "now", "--trigger", "http", "hello")
    assert done.err == ""
    assert done.out.splitlines() == [
        "Creating function at: ./hello",
        f"Building from init-image: {image}",
        "Function boilerplate generated.",
        "func.yaml created.",
    ]
    assert (tmp_path / "hello" / "func.go").read_text() == 'package main // hello from "hello"\n'
    assert (tmp_path / "hello" / "func.yaml").read_text() == (
        "schema_version: 20180708\nname: hello\nversion: 0.0.1\nruntime: go\nbuild_image: me/go:dev\n"
        "run_image: me/go\nentrypoint: ./func\nbuild:\n- make\ncmd: now\nmemory: 512\n"
        "triggers:\n- name: hello-trigger\n  type: http\n  source: /hello-trigger\n"
    )
    assert fn("init", "--init-image", image, "hello").code == 1
    assert not docker.from_env().containers.list(all=True, filters={"ancestor": image}), "none is left"


@_DOCKER
def test_one_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = fn("init", "--init-image", "127.0.0.1:1/none-such:0", "hello")
    assert done.code == 1
    assert "running 127.0.0.1:1/none-such:0: it is not here and cannot be pulled: " in done.err
    assert "does the daemon reach its registry" in done.err
    assert not (tmp_path / "hello").exists()


@_DOCKER
def test_one_that_fails_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        'FROM nbfn-test/base\nCMD ["sh", "-c", "echo no luck with $WHO >&2; exit 3"]\n'
    )
    client, name = docker.from_env(), "nbfn-test/init-image:broken"
    client.images.build(path=str(tmp_path), tag=name, rm=True)
    try:
        with pytest.raises(ImageError, match=r"exit code 3: no luck with me"):
            printed(name, {"WHO": "me"})
        assert not client.containers.list(all=True, filters={"ancestor": name}), "none is left"
    finally:
        client.images.remove(name, force=True)
        client.close()

"""The Dockerfiles of folders that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.errors import BadInput
from nbfn.projects import find_func_file, init, way_of
from nbfn.projects.dockerfile import from_mirror, generate

if TYPE_CHECKING:
    from pathlib import Path


def text_of(folder: Path, *, environ: dict[str, str] | None = None, fn_images: str = "") -> str:
    present = {path.name for path in folder.iterdir()}
    return generate(find_func_file(folder), present, environ or {}, fn_images)


def test_go(tmp_path: Path) -> None:
    init(tmp_path / "g", "go")
    assert text_of(tmp_path / "g") == (
        "FROM fnproject/go:1.24-dev as build-stage\n"
        "WORKDIR /function\n"
        "WORKDIR /go/src/func/\n"
        "ENV GO111MODULE=on\n"
        "COPY . .\n"
        "RUN go mod tidy\n"
        "RUN go build -o func\n"
        "FROM fnproject/go:1.24\n"
        "WORKDIR /function\n"
        "COPY --from=build-stage /go/src/func/func /function/\n"
        'ENTRYPOINT ["./func"]\n'
    )
    (tmp_path / "g" / "vendor").mkdir()
    vendored = text_of(tmp_path / "g")
    assert 'ENV GOFLAGS="-mod=vendor"' in vendored
    assert "tidy" not in vendored


def test_node(tmp_path: Path) -> None:
    init(tmp_path / "n", "node22")
    text = text_of(tmp_path / "n")
    assert text.splitlines()[:4] == [
        "FROM fnproject/node:22-dev as build-stage",
        "WORKDIR /function",
        "ADD package.json /function/",
        "RUN npm install",
    ]
    assert text.endswith('ENTRYPOINT ["node", "func.js"]\n')
    (tmp_path / "n" / "package-lock.json").write_text("{}")
    assert "ADD package-lock.json /function/\nADD package.json" in text_of(tmp_path / "n")
    (tmp_path / "n" / "node_modules").mkdir()
    assert "npm install" not in text_of(tmp_path / "n")


def test_python(tmp_path: Path) -> None:
    init(tmp_path / "p", "python3.11")
    text = text_of(tmp_path / "p")
    assert "FROM fnproject/python:3.11-dev as build-stage\n" in text
    assert "RUN pip3 install --target /python/" in text
    assert "ENV PYTHONPATH=/function:/python\n" in text
    assert text.endswith('ENTRYPOINT ["/python/bin/fdk", "/function/func.py", "handler"]\n')
    (tmp_path / "p" / "requirements.txt").unlink()
    assert "pip3" not in text_of(tmp_path / "p")


def test_java_goes_through_a_proxy(tmp_path: Path) -> None:
    init(tmp_path / "j", "java17")
    text = text_of(tmp_path / "j", environ={"https_proxy": "http://proxy:3128", "no_proxy": "a,b"})
    assert "FROM fnproject/fn-java-fdk-build:jdk17-1.0.212 as build-stage\n" in text
    assert "-Dhttps.proxyHost=proxy -Dhttps.proxyPort=3128 -Dhttp.nonProxyHosts=a|b" in text
    assert text.endswith('CMD ["com.example.fn.HelloFunction::handleRequest"]\n')
    assert "proxy" not in text_of(tmp_path / "j")


def test_func_yaml_overrides_images_and_entry_point(tmp_path: Path) -> None:
    init(tmp_path / "g", "go")
    path = tmp_path / "g" / "func.yaml"
    text = (
        path.read_text().replace("fnproject/go:1.24-dev", "tools:1").replace("fnproject/go:1.24", "small:2")
    )
    path.write_text(text.replace("./func", "./func --fast") + "cmd: now\n")
    made = text_of(tmp_path / "g")
    assert "FROM tools:1 as build-stage\n" in made
    assert "FROM small:2\n" in made
    assert made.endswith('ENTRYPOINT ["./func", "--fast"]\nCMD ["now"]\n')


def test_what_cannot_be_built_says_so(tmp_path: Path) -> None:
    def refused(yaml: str) -> str:
        (tmp_path / "func.yaml").write_text(f"schema_version: 20180708\nname: f\n{yaml}")
        with pytest.raises(BadInput) as caught:
            way_of(find_func_file(tmp_path))
        return str(caught.value)

    assert "'f' is in ruby" in refused("runtime: ruby\n")
    assert "in no runtime that func.yaml names" in refused("")
    assert "has no go.mod, which runtime go needs" in refused("runtime: go\n")
    (tmp_path / "go.mod").touch()
    assert "func.yaml:3:10: the images of go1.2 are not known" in refused("runtime: go1.2\n")
    (tmp_path / "func.yaml").write_text("schema_version: 20180708\nname: f\nruntime: ruby\n")
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    assert way_of(find_func_file(tmp_path)) == "docker"


def test_python_is_built_here_unless_a_dockerfile_says_how(tmp_path: Path) -> None:
    function = init(tmp_path, "python")
    assert way_of(function) == "here"
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    assert way_of(function) == "docker"


@pytest.mark.parametrize(
    ("image", "mirror", "taken"),
    [
        ("fnproject/go:1.24", "", "fnproject/go:1.24"),
        ("fnproject/go:1.24", "mirror.example:5000/fn", "mirror.example:5000/fn/go:1.24"),
        ("docker.io/fnproject/go", "m", "m/go"),
        ("me/go:1", "m", "me/go:1"),
        ("fnprojects/go", "m", "fnprojects/go"),
    ],
)
def test_fns_images_of_a_mirror(image: str, mirror: str, taken: str) -> None:
    assert from_mirror(image, mirror) == taken


def test_both_stages_are_of_the_mirror_and_the_file_is_for_everybody(tmp_path: Path) -> None:
    init(tmp_path / "g", "go")
    text = text_of(tmp_path / "g", fn_images="here/fn")
    assert [line.split()[1] for line in text.splitlines() if line.startswith("FROM")] == [
        "here/fn/go:1.24-dev",
        "here/fn/go:1.24",
    ]
    assert "here" not in (tmp_path / "g" / "func.yaml").read_text()

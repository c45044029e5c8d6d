"""New folders, and folders of Python functions made fit to be built."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn.containerize import Layout, build
from nbfn.errors import BadInput, LimitError, NameRefused, RequirementError
from nbfn.projects import RUNTIMES, capture_folder, find_func_file, init, way_of
from nbfn.spec import FunctionSpec
from tests.commands.fnline import at_home, fn
from tests.containerize.test_wheels import base, index, make_wheel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["base", "index"]  # fixtures


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_new_function_has_its_files(tmp_path: Path, runtime: str) -> None:
    made = init(tmp_path / "Hello", runtime, trigger="http", config={"A": "1"})
    assert (made.name, made.version, made.runtime) == ("hello", "0.0.1", runtime)
    assert made.triggers[0].source == "/hello-trigger"
    assert made.config == {"A": "1"}
    assert made.entrypoint or made.cmd
    assert find_func_file(tmp_path / "Hello").name == "hello"
    names = {path.name for path in (tmp_path / "Hello").iterdir()}
    assert "func.yaml" in names
    assert len(names) > 2


def test_the_code_that_is_written_is_code(tmp_path: Path) -> None:
    for runtime in RUNTIMES:
        init(tmp_path / runtime, runtime)
    ast.parse((tmp_path / "python" / "func.py").read_text())
    json.loads((tmp_path / "node" / "package.json").read_text())
    ET.parse(tmp_path / "java" / "pom.xml")
    for tool, arguments in (
        ("gofmt", ["-l", str(tmp_path / "go" / "func.go")]),
        ("node", ["--check", str(tmp_path / "node" / "func.js")]),
    ):
        if shutil.which(tool):
            found = subprocess.run([tool, *arguments], capture_output=True, text=True, check=True)
            assert found.stdout == ""
    assert "module func" in (tmp_path / "go" / "go.mod").read_text()


def test_a_version_that_is_not_there_says_which_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"'go1\.99', and there is no version 1\.99 of go here") as caught:
        init(tmp_path / "f", "go1.99")
    assert caught.value.hint == "use one of: go1.24, go1.23; go alone is the first of them"
    with pytest.raises(BadInput, match="one of: go, java, node, python"):
        init(tmp_path / "f", "cobol85")


def test_code_that_is_there_is_kept_and_says_its_runtime(tmp_path: Path) -> None:
    (tmp_path / "func.py").write_text("def handler(ctx, data): ...\n")
    made = init(tmp_path, name="mine")
    assert made.runtime == "python"
    assert (tmp_path / "func.py").read_text() == "def handler(ctx, data): ...\n"
    with pytest.raises(BadInput, match="is there already"):
        init(tmp_path, "python")
    assert init(tmp_path, "python", name="other", force=True).name == "other"


def test_a_dockerfile_is_built_by_docker(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    made = init(tmp_path, "python", name="x")
    assert made.runtime == "docker"
    assert way_of(made) == "docker"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runtime": "cobol"}, "runtime is 'cobol'"),
        ({"runtime": "docker"}, "no Dockerfile"),
        ({"runtime": ""}, "cannot be told"),
        ({"runtime": "python", "name": "a b"}, "'a b' cannot name a function"),
        ({"runtime": "python", "name": "a:b"}, "'a:b' cannot name an image"),
        ({"runtime": "python", "version": "1"}, "'1' is not a version"),
        ({"runtime": "python", "trigger": "cron"}, "trigger is 'cron'"),
        ({"runtime": "python", "memory": 9000}, "memory is 9000 MB"),
    ],
)
def test_what_cannot_be_made_leaves_nothing(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises((BadInput, NameRefused, LimitError)) as caught:
        init(tmp_path / "new", **options)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()


def folder(
    tmp_path: Path, source: str, entrypoint: str = "/python/bin/fdk /function/func.py handler"
) -> Path:
    (tmp_path / "func.yaml").write_text(
        f"schema_version: 20180708\nname: f\nruntime: python\nentrypoint: {entrypoint}\n"
    )
    (tmp_path / "func.py").write_text(source)
    return tmp_path


def test_what_travels_from_a_folder(tmp_path: Path) -> None:
    place = folder(tmp_path, "import helpers\ndef handler(ctx, data=None): ...\n")
    (place / "helpers").mkdir()
    (place / "helpers" / "__init__.py").write_text("x = 1\n")
    (place / "data.json").write_text("{}")
    (place / ".git").mkdir()
    (place / ".git" / "HEAD").write_text("x")
    (place / "requirements.txt").write_text("# the FDK\nfdk>=0.1.128\nnumpy  # numbers\n")
    taken = capture_folder(find_func_file(place))
    assert (taken.handler, taken.style) == ("handler", "context")
    assert set(taken.files) == {
        "data.json",
        "fdk/__init__.py",
        "fdk/response.py",
        "helpers/__init__.py",
        "requirements.txt",
    }
    assert [pin.partition("==")[0] for pin in taken.requirements] == ["numpy"]


def test_what_is_not_installed_is_fetched_for_another_place(tmp_path: Path, index: Path, base: str) -> None:
    make_wheel(index, "nbfntestone", "2.1", "py3-none-any", requires=("nbfntesttwo",))
    make_wheel(index, "nbfntesttwo", "1.0", "py3-none-any")
    place = folder(tmp_path, "def handler(ctx, data): ...\n")
    (place / "requirements.txt").write_text("fdk\nnbfntestone>=2\n")
    function = find_func_file(place)
    taken = capture_folder(function, fetch=True)
    assert taken.requirements == ("nbfntestone>=2",)
    built = build(FunctionSpec("f", "a", base=base), taken, Layout(tmp_path / "images"))
    assert {str(package) for package in built.packages} == {"nbfntestone 2.1", "nbfntesttwo 1.0"}
    with pytest.raises(RequirementError, match="not installed"):
        capture_folder(function)


def test_build_is_on_the_base_that_deploy_takes(
    tmp_path: Path, state: Path, index: Path, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "nbfntestone", "2.1", "py3-none-any")
    monkeypatch.setenv("NBFN_BASE", base)
    with at_home(tmp_path, state, monkeypatch):
        place = tmp_path / "f"
        place.mkdir()
        folder(place, "def handler(ctx, data): ...\n")
        (place / "requirements.txt").write_text("nbfntestone\n")
        address = ["--api-url", "http://127.0.0.1:2"]
        assert fn("create", "context", "rem", *address, "--registry", "localhost:9/x").code == 0
        assert fn("create", "context", "bare", *address).code == 0
        for words in (["--context", "bare", "build", "f"], ["build", "f"], ["build", "--base", "host", "f"]):
            assert "not installed" in fn(*words).err
        for words in (["--context", "rem", "build", "f"], ["build", "--base", "fn", "f"]):
            done = fn(*words)
            assert done.code == 0, done.err
            (name,) = (each.name for each in nbfn.images())
            assert "nbfntestone 2.1" in str(nbfn.inspect_image(name))

        # A function of Python goes there on the same base, so it may require the same.
        made = nbfn.function(lambda: 1, name="one", requires=["nbfntestone"])
        with pytest.raises(RequirementError, match="not installed"):
            made.show()
        assert fn("use", "context", "rem").code == 0
        assert [row.origin for row in made.show().packages] == ["nbfntestone (wheel)"]


@pytest.mark.parametrize(
    ("source", "handler", "style"),
    [
        ("def handler(ctx, data): ...", "handler", "context"),
        ("async def handler(ctx, data=None): ...", "handler", "context"),
        ("def greet(context): ...", "greet", "context"),
        ("def greet(name): ...", "greet", "values"),
        ("from other import greet", "greet", "context"),
    ],
)
def test_how_a_handler_is_called(tmp_path: Path, source: str, handler: str, style: str) -> None:
    place = folder(tmp_path, source, f"/python/bin/fdk /function/func.py {handler}")
    assert capture_folder(find_func_file(place)).style == style


def test_another_file_than_func_py(tmp_path: Path) -> None:
    place = folder(tmp_path, "unused = 1\n", "/python/bin/fdk /function/main.py go")
    (place / "main.py").write_text("def go(ctx, data): ...\n")
    taken = capture_folder(find_func_file(place))
    assert taken.source == "from main import go\n"
    assert "main.py" in taken.files


@pytest.mark.parametrize(
    ("source", "requirements", "kind", "said"),
    [
        ("def other(): ...", "", BadInput, "defines no 'handler'"),
        ("def handler(:", "", BadInput, "func.py:1 is not Python"),
        ("def handler(ctx): ...", "-r more.txt", RequirementError, "requirements.txt:1: '-r more.txt'"),
        ("def handler(ctx): ...", "nbfn-no-such", RequirementError, "nbfn-no-such is not installed"),
        ("def handler(ctx): ...", "numpy<1", RequirementError, "numpy<1"),
    ],
)
def test_what_cannot_be_built_is_named(
    tmp_path: Path, source: str, requirements: str, kind: type[BadInput], said: str
) -> None:
    place = folder(tmp_path, source)
    (place / "requirements.txt").write_text(requirements)
    with pytest.raises(kind) as caught:
        capture_folder(find_func_file(place))
    assert said in str(caught.value)

"""A deployed function as a folder, and back: built here, and by Docker, it answers the same."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import nbfn
from nbfn import session as sessions
from nbfn.containerize import Image
from nbfn.containerize.host import machine_platform
from nbfn.errors import BadInput, ImageError, NotFound
from nbfn.projects import Export, export, find_func_file, way_of
from nbfn.projects.dockerfile import generate
from tests.commands.fnline import at_home, fn
from tests.containerize.test_wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRICES = {"tea": 2.5, "cake": 4.0}
BASE = "docker-daemon:nbfn-test/base:latest"
TOKEN = nbfn.Secret("not-to-be-written", name="SHOP_TOKEN")


def total(items: list[str], tip: float = 0.0) -> dict[str, Any]:
    """What it comes to."""
    if unknown := [item for item in items if item not in PRICES]:
        raise LookupError(f"we have no {unknown[0]}")
    return {"total": sum(PRICES[item] for item in items) + tip, "signed": len(TOKEN)}


def shout(text: str) -> str:
    import click

    return click.unstyle(text).upper()


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def said(error: str, after: str) -> str:
    """What follows ``after``, less the hint, which names the application."""
    return error.partition(after)[2].partition("→")[0]


def test_there_and_back_without_docker(home: Path) -> None:
    made = nbfn.deploy(total, app="a", memory=300, config={"PLACE": "here"})
    done = made.export(home / "shop")
    assert done.missing == ("SHOP_TOKEN",)
    assert done.name == "total"
    files = {path.name for path in (home / "shop").iterdir()}
    assert {"func.yaml", "func.py", "requirements.txt", "Dockerfile", "nbfn_runtime"} <= files
    assert (home / "shop" / "func.py").read_text() == made.source
    function = find_func_file(home / "shop")
    assert (function.name, function.memory, function.runtime) == ("total", 300, "docker")
    assert function.config == {"PLACE": "here"}
    assert way_of(function) == "here"
    every = b"".join(path.read_bytes() for path in (home / "shop").rglob("*") if path.is_file())
    assert str(TOKEN).encode() not in every

    # Where it came from, it is what is there.
    again = nbfn.deploy_project(home / "shop", "a", bump=False)
    assert made.image is not None
    assert again.image.digest == made.image.digest
    # And elsewhere it answers the same, once its secret is there.
    assert fn("deploy", "--app", "b", "--create-app", "--no-bump", "shop").code == 0
    assert fn("config", "f", "b", "total", "SHOP_TOKEN", str(TOKEN)).code == 0
    body = json.dumps({"items": ["tea", "cake"], "tip": 1})
    answers = [json.loads(fn("invoke", app, "total", "-d", body).out) for app in ("a", "b")]
    assert answers[0] == answers[1] == made(["tea", "cake"], tip=1)
    failed = [fn("invoke", app, "total", "-d", '["beer"]') for app in ("a", "b")]
    assert said(failed[0].err, "LookupError") == said(failed[1].err, "LookupError") != ""


def test_by_its_name_and_changed(home: Path) -> None:
    made = nbfn.deploy(total, app="a")
    done = fn("export", "--app", "a", "total", "shop")
    assert done.out.startswith("Function total exported to: shop (")
    assert "its secret SHOP_TOKEN is not in it" in done.err
    assert "SHOP_TOKEN" in (home / "shop" / "func.yaml").read_text()
    assert str(TOKEN) not in (home / "shop" / "func.yaml").read_text()
    assert (home / "shop" / "func.py").read_text() == made.source

    done = fn("export", "--app", "a", "total", "shop")
    assert done.code == 1
    assert "shop is there already" in done.err
    (home / "shop" / "README").write_text("mine")
    told = json.loads(fn("export", "--app", "a", "total", "shop", "--force", "--output", "json").out)
    assert told["missing"] == ["SHOP_TOKEN"]
    assert "func.py" in told["files"]
    assert (home / "shop" / "README").read_text() == "mine"

    # It is a folder as any other: a change in it is deployed, with modules that were added.
    code = home / "shop" / "func.py"
    code.write_text(code.read_text().replace("what", "What") + "\nfrom extra import PRICES\n")
    (home / "shop" / "extra.py").write_text("PRICES = {'tea': 3.0}\n")
    assert fn("deploy", "--app", "a", "shop").code == 0
    assert json.loads(fn("invoke", "a", "total", "-d", '["tea"]').out)["total"] == 3.0
    # One whose Dockerfile was changed is Docker's to build.
    with (home / "shop" / "Dockerfile").open("a") as file:
        file.write("ENV MORE=1\n")
    assert way_of(find_func_file(home / "shop")) == "docker"
    assert fn("export", "--app", "a", "nobody", "x").code == 1


@pytest.mark.needs("docker", "toolchains", "root")
def test_docker_builds_it(home: Path) -> None:
    made = nbfn.deploy(shout, app="a")
    made.export(home / "loud", build_image="nbfn-test/python-dev", run_image="nbfn-test/base")
    assert "click==" in (home / "loud" / "requirements.txt").read_text()
    done = fn("deploy", "--app", "b", "--create-app", "--docker", "loud")
    assert done.code == 0, done.err
    assert "COPY --chown=1000:1000 . /function/" in done.out
    for body in ('"so\\u001b[1m what"', '{"text": "ö"}', '{"text": 1}'):
        ours, theirs = (fn("invoke", app, "shout", "-d", body) for app in ("a", "b"))
        assert (ours.out, ours.code) == (theirs.out, theirs.code)
        assert said(ours.err, "Error:") == said(theirs.err, "Error:")
    assert fn("invoke", "b", "shout", "-d", '"x"').out == '"X"'
    image = sessions.current().layout.get(nbfn.functions("b")[0].image)
    assert image.config["config"]["User"] == "1000:1000"


def thinnest(text: str) -> str:
    import click
    import numpy
    import pandas

    return f"{click.unstyle(text)} {pandas.Series([len(text)]).sum()} {numpy.zeros(1)[0]}"


def test_what_its_packages_require_gives_the_same_image_again(home: Path) -> None:
    made = nbfn.deploy(thinnest, app="a")
    made.export(home / "thin")
    assert "python-dateutil==" in (home / "thin" / "requirements.txt").read_text()
    assert made.image is not None
    assert nbfn.deploy_project(home / "thin", "a", bump=False).image.digest == made.image.digest
    with (home / "thin" / "requirements.txt").open("a") as file:
        file.write("packaging\n")
    assert nbfn.deploy_project(home / "thin", "a", bump=False).image.digest != made.image.digest


@pytest.mark.needs("docker", "toolchains", "python3.11")
def test_on_a_base_there_and_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = home / "wheels"
    make_wheel(index, "nbfntestone", "2.1", "py3-none-any", requires=("nbfntesttwo",))
    make_wheel(index, "nbfntesttwo", "1.0", "py3-none-any")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(index))

    def where() -> list[object]:

        import click
        import nbfntestone

        return [sys.prefix, click.unstyle("x"), nbfntestone.VERSION]

    made = nbfn.deploy(where, app="a", base=BASE, requires=["nbfntestone"])
    assert made() == ["/usr", "x", "2.1"]
    assert fn("export", "a/where", "there").code == 0
    assert "FROM nbfn-test/base:latest\n" in (home / "there" / "Dockerfile").read_text()
    make_wheel(index, "nbfntestone", "2.2", "py3-none-any")
    assert made.image is not None
    assert fn("deploy", "--app", "b", "--create-app", "--no-bump", "there").code == 0
    (there,) = nbfn.functions("b")
    assert there.image.endswith(made.image.digest)
    assert json.loads(fn("invoke", "b", "where").out) == made()
    # Another base than its own is said so, and Docker's build has none.
    assert fn("deploy", "--app", "b", "--base", "host", "there").code == 1
    done = fn("deploy", "--app", "b", "--docker", "--base", BASE, "there")
    assert "is built by Docker, and base" in done.err


def test_a_project_folder_is_copied(home: Path) -> None:
    fn("init", "--runtime", "go", "hello")
    nbfn.load_folder("hello", app="a").export(home / "copy")
    assert (home / "copy" / "func.go").read_bytes() == (home / "hello" / "func.go").read_bytes()
    assert generate(find_func_file(home / "copy"), ["go.mod"], {})
    with pytest.raises(BadInput, match="is a folder already"):
        nbfn.load_folder("hello", app="a").export(home / "other", run_image="x")


def test_what_cannot_be_exported(home: Path) -> None:
    with pytest.raises(NotFound):
        nbfn.export("nothing", home / "x", app="a")
    with pytest.raises(BadInput, match="a/nothing is not in the application 'b'"):
        nbfn.export("a/nothing", home / "x", app="b")
    with pytest.raises(ImageError, match="was not made of Python code by nbfn"):
        export(Image.empty(machine_platform()), Export("f"), home / "x")
    assert not (home / "x").exists()

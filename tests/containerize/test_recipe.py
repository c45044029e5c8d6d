from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize.image import Image
from nbfn.containerize.recipe import plan, repository
from nbfn.errors import ImageError
from nbfn.spec import FunctionSpec
from tests.containerize.conftest import SOURCE, make_capture, make_spec

_NAMES = st.from_regex(r"\A[A-Za-z0-9\-_.~$&+:=@]{1,255}\Z")
_APPS = st.from_regex(r"\A[\w-]{1,60}\Z")
# github.com/distribution/reference: the path of a repository.
_REPOSITORY = re.compile(r"[a-z0-9.]+(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+")


def test_the_image_is_what_the_wire_says() -> None:
    capture = make_capture(files={"data/limits.json": b"[1, 2]"}, preload=("json",))
    recipe = plan(make_spec(), capture, {"org.nbfn.host": "cpython-311-x86_64-linux-gnu"})
    image = recipe.finish(Image.empty({"os": "linux", "architecture": "amd64"}))
    runs = image.config["config"]
    assert runs["Entrypoint"] == ["python3", "-S", "-B", "-m", "nbfn_runtime"]
    assert runs["WorkingDir"] == "/function"
    assert runs["User"] == "1000:1000"
    assert "PYTHONPATH=/opt/nbfn:/function:/python" in runs["Env"]
    assert runs["Labels"] == {
        "org.nbfn.schema": "1",
        "org.nbfn.handler": "greet",
        "org.nbfn.fingerprint": capture.fingerprint,
        "org.nbfn.python": str(capture.python),
        "org.nbfn.host": "cpython-311-x86_64-linux-gnu",
    }
    assert image.config["created"] == "1970-01-01T00:00:00Z"
    code = {entry.path: entry.content for entry in recipe.code}
    assert code["function/func.py"] == SOURCE.encode()
    assert code["function/data/limits.json"] == b"[1, 2]"
    entry = code["function/nbfn.json"]
    assert isinstance(entry, bytes)
    assert json.loads(entry) == {
        "schema": 1,
        "handler": "greet",
        "style": "values",
        "python": str(capture.python),
        "by_value": False,
        "preload": ["json"],
        "fingerprint": capture.fingerprint,
    }


def test_limits_and_config_do_not_change_the_image() -> None:
    capture = make_capture()
    assert plan(make_spec(), capture, {}) == plan(make_spec(config={"LEVEL": "debug"}), capture, {})


def test_what_a_person_requires_is_added() -> None:
    recipe = plan(make_spec(requires=("six",)), make_capture(requirements=("numpy==2.0.0",)), {})
    assert recipe.requirements == ("numpy==2.0.0", "six")


@pytest.mark.parametrize("path", ["../func.py", "/etc/passwd", "func.py", "nbfn.json", "data/../../x"])
def test_data_stays_in_its_place(path: str) -> None:
    with pytest.raises(ImageError, match="cannot go into the image"):
        plan(make_spec(), make_capture(files={path: b""}), {})


def test_plain_names_are_kept() -> None:
    assert repository("notebook", "greet-all.2") == "nbfn.local/notebook/greet-all.2"


@given(_APPS, _NAMES)
def test_every_name_fn_takes_gives_a_repository(app: str, name: str) -> None:
    spec = FunctionSpec(name, app)
    assert _REPOSITORY.fullmatch(repository(spec.app, spec.name))


@given(_NAMES, _NAMES)
def test_other_names_have_other_repositories(one: str, other: str) -> None:
    assert (repository("app", one) == repository("app", other)) == (one == other)


def test_case_is_not_lost() -> None:
    names = {repository("app", name) for name in ("greet", "Greet", "GREET", "gr:eet", "gr@eet", "gr-eet")}
    assert len(names) == 6

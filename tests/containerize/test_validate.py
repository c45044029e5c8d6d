from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbfn.containerize import Image, Layer, Layout, build, validate
from nbfn.containerize.image import LAYER_TYPE, Descriptor
from nbfn.errors import ImageError
from tests.containerize.conftest import make_capture, make_spec

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, str]:
    layout = Layout(tmp_path_factory.mktemp("validate") / "images")
    return layout, str(build(make_spec(), make_capture(), layout).image)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(built: tuple[Layout, str], data: st.DataObject) -> None:
    layout, ref = built
    image = layout.get(ref)
    config = image.manifest["config"]["digest"]
    digests = [image.digest, config, *(layer.descriptor.digest for layer in image.layers)]
    path = layout.blob(data.draw(st.sampled_from(digests)))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.sampled_from(["flip", "cut", "add", "lose"]))
    changed = {
        "flip": whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :],
        "cut": whole[:at],
        "add": whole + b"\0",
    }
    try:
        path.unlink() if damage == "lose" else path.write_bytes(changed[damage])
        try:
            problems = validate(layout.get(ref))
        except ImageError:
            problems = ["refused"]
        assert problems
    finally:
        path.write_bytes(whole)
    assert validate(layout.get(ref)) == []


def with_config(image: Image, **changes: object) -> Image:
    return Image.made_of({**image.config, **changes}, image.layers)


def with_run(image: Image, **changes: object) -> Image:
    return with_config(image, config={**image.config["config"], **changes})


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"os": ""}, "os is ''"),
    ({"architecture": None}, "architecture is None"),
    ({"variant": 8}, "variant is 8"),
    ({"created": "yesterday"}, "not an RFC 3339 time"),
    ({"rootfs": None}, "rootfs.type"),
    ({"rootfs": {"type": "tar", "diff_ids": []}}, "rootfs.type"),
    ({"rootfs": {"type": "layers", "diff_ids": ["sha256:1"]}}, "not a list of sha256 digests"),
    ({"rootfs": {"type": "layers", "diff_ids": []}}, "not those of the layers"),
    ({"history": []}, "history tells of 0 layers"),
    ({"history": [{"created": 5}, {"empty_layer": True}, {}]}, "history 1 was created 5"),
    ({"history": "long"}, "history is not a list"),
    ({"config": 5}, "config is not an object"),
]
RUNS: list[tuple[dict[str, Any], str]] = [
    ({"Entrypoint": "python3"}, "Entrypoint is not a list"),
    ({"Entrypoint": None}, "neither Entrypoint nor Cmd"),
    ({"Env": ["PATH"]}, "'PATH', not NAME=VALUE"),
    ({"Env": {"PATH": "/"}}, "Env is not a list"),
    ({"WorkingDir": "function"}, "WorkingDir is 'function'"),
    ({"User": 1000}, "User is 1000"),
    ({"Labels": {"a": 1}}, "Labels: not every key has a string"),
]


@pytest.mark.parametrize(("changes", "problem"), CONFIGS)
def test_a_config_that_is_wrong(built: tuple[Layout, str], changes: dict[str, Any], problem: str) -> None:
    image = with_config(built[0].get(built[1]), **changes)
    assert any(problem in line for line in validate(image)), validate(image)


@pytest.mark.parametrize(("changes", "problem"), RUNS)
def test_a_way_to_run_that_is_wrong(built: tuple[Layout, str], changes: dict[str, Any], problem: str) -> None:
    problems = validate(with_run(built[0].get(built[1]), **changes))
    assert [problem in line for line in problems] == [True]


def test_an_image_that_is_no_function_need_not_say_what_to_run(built: tuple[Layout, str]) -> None:
    image = built[0].get(built[1])
    assert validate(with_run(image, Entrypoint=None, Labels={"org.nbfn.base": "debian"})) == []
    assert validate(with_run(image, Entrypoint=None, Labels=None)) == []


def test_what_was_once_put_on_a_base_without_a_history_tells_of_its_own_layers(
    built: tuple[Layout, str],
) -> None:
    image = built[0].get(built[1])
    first = image.layers[0]
    plain = Descriptor(LAYER_TYPE, first.descriptor.digest, first.descriptor.size)  # it is none of ours
    below = Layer(plain, first.diff_id, first.path)
    rootfs = {"type": "layers", "diff_ids": [layer.diff_id for layer in (below, *image.layers)]}
    on_base = Image.made_of({**image.config, "rootfs": rootfs}, (below, *image.layers))
    assert validate(on_base) == []
    history = image.config["history"][1:]
    assert ["history tells" in line for line in validate(with_config(on_base, history=history))] == [True]
    other = with_run(on_base, Labels=None)
    assert ["history tells" in line for line in validate(other)] == [True]


@pytest.mark.parametrize("history", [None, [], "no", [{"created_by": "RUN one"}, {"empty_layer": True}]])
def test_what_is_put_on_a_base_without_a_history_tells_of_every_layer(
    built: tuple[Layout, str], history: object
) -> None:
    image = built[0].get(built[1])
    config = {key: value for key, value in image.config.items() if key != "history"}
    base = Image.made_of({**config, **({} if history is None else {"history": history})}, image.layers)
    made = base.append(image.layers[0], created_by="nbfn")
    told = [note for note in made.config["history"] if not note.get("empty_layer")]
    assert [len(told), told[-1]["created_by"]] == [len(image.layers) + 1, "nbfn"]
    problems = validate(made)
    assert not [line for line in problems if "history" in line], problems


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("schemaVersion", 1, "schemaVersion is 1"),
        ("mediaType", "application/json", "mediaType is"),
        ("annotations", {"a": 1}, "not every key has a string"),
        ("layers", None, "layers is not a list"),
        ("layers", [], "lists 0 layers"),
        ("layers", [5, 5], "layer 1 is not a descriptor"),
        ("config", {}, "config is not a descriptor"),
        ("config", {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1}, "config's mediaType"),
        ("config", {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1}, "config has the digest"),
        ("config", {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1}, "bytes, not 1"),
    ],
)
def test_a_manifest_that_is_wrong(built: tuple[Layout, str], key: str, value: object, problem: str) -> None:
    image = built[0].get(built[1])
    broken = dataclasses.replace(image, manifest_bytes=json.dumps({**image.manifest, key: value}).encode())
    assert any(problem in line for line in validate(broken)), validate(broken)


def test_what_is_no_json_at_all(built: tuple[Layout, str]) -> None:
    image = built[0].get(built[1])
    assert "not JSON" in validate(dataclasses.replace(image, manifest_bytes=b"{"))[0]
    assert "not a JSON object" in validate(dataclasses.replace(image, config_bytes=b"[]"))[0]


def test_layers_that_are_wrong(built: tuple[Layout, str], tmp_path: Path) -> None:
    image = built[0].get(built[1])
    layer = image.layers[1]
    missing = dataclasses.replace(layer, path=tmp_path / "gone")
    other = dataclasses.replace(layer, diff_id="sha256:" + "0" * 64)
    odd = Descriptor("text/plain", layer.descriptor.digest, layer.descriptor.size)
    strange = dataclasses.replace(layer, descriptor=odd)
    for wrong, problem in [(missing, "missing"), (other, "not its diff_id"), (strange, "not a layer's")]:
        broken = Image.made_of(image.config, [image.layers[0], wrong])
        assert any("layer 2" in line and problem in line for line in validate(broken))

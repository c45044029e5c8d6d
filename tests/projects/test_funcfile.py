"""``func.yaml`` and ``app.yaml``: read as the Fn CLI reads them, changed without losing anything."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import yamlfile
from nbfn.errors import BadInput
from nbfn.projects import FuncFile, Trigger, bumped, find_app_file, find_func_file, guessed_name, walk

if TYPE_CHECKING:
    from pathlib import Path

TRIGGER = "schema_version: 20180708\ntriggers:\n- name: a\n  type: http\n"
# Every key of schema 20180708, one that nobody knows, and comments.
EVERYTHING = """\
# how the team greets
schema_version: 20180708
name: hello
version: 0.0.41  # raised by deploying
runtime: python
build_image: fnproject/python:3.11-dev
run_image: fnproject/python:3.11
cmd: x
entrypoint: /python/bin/fdk /function/func.py handler
content_type: application/json
type: sync
memory: 256
timeout: 60
idle_timeout: 120
config:
  PORT: 8080
  RATE: 0.10
  FLAG: yes
  QUOTED: "a: b"
annotations:
  team: {name: "x", size: 3}
deploy:
  oci:
    provisioned_concurrency: {strategy: CONSTANT, count: 40}
    detached_mode:
      timeout: 600  # long jobs
      on_success: {type: stream, ocid: ocid1.stream}
      on_failure: {type: none}
    freeform_tags: {a: b, n: 1}
    defined_tags:
      Operations: {CostCenter: "42", Live: true}
signing_details:
  image_compartment_id: ocid1
  kms_key_id: ocid2
  kms_key_version_id: ocid3
  signing_algorithm: SHA_256_RSA_PKCS_PSS
build:
- "true"
expects:
  config:
  - name: PORT
    required: true
triggers:
# the only way in
- name: hello
  type: http
  source: /hello
x-mine: 'kept'
"""


def func_file(folder: Path, text: str, name: str = "func.yaml") -> FuncFile:
    (folder / name).write_text(text)
    return FuncFile(folder / name)


def test_what_the_file_says(tmp_path: Path) -> None:
    found = func_file(tmp_path, EVERYTHING)
    assert (found.name, found.version, found.runtime) == ("hello", "0.0.41", "python")
    assert (found.memory, found.timeout, found.idle_timeout) == (256, 60, 120)
    assert found.config == {"PORT": "8080", "RATE": "0.10", "FLAG": "yes", "QUOTED": "a: b"}
    assert found.annotations == {"team": {"name": "x", "size": 3}}
    assert json.dumps(found.annotations)
    assert found.triggers == (Trigger("hello", "http", "/hello"),)
    assert found.content_type == "application/json"
    assert found.build == ["true"]
    assert found.oci == {
        "oracle.com/oci/provisionedConcurrencyStrategy": "CONSTANT",
        "oracle.com/oci/provisionedConcurrencyCount": 40,
        "oracle.com/oci/detachedModeTimeoutInSeconds": 600,
        "oracle.com/oci/successDestinationKind": "STREAM",
        "oracle.com/oci/successDestinationOcid": "ocid1.stream",
        "oracle.com/oci/failureDestinationKind": "NONE",
        "oracle.com/oci/freeformTags": {"a": "b", "n": "1"},
        "oracle.com/oci/definedTags": {"Operations": {"CostCenter": "42", "Live": True}},
    }
    assert json.dumps(found.oci)


def test_another_version_changes_that_line_alone(tmp_path: Path) -> None:
    found = func_file(tmp_path, EVERYTHING)
    found.set_version(found.next_version())
    assert found.path.read_text() == EVERYTHING.replace("0.0.41", "0.0.42")


def test_a_file_without_version_or_name(tmp_path: Path) -> None:
    folder = tmp_path / "Greeter"
    folder.mkdir()
    found = func_file(folder, "schema_version: 20180708\nruntime: python\n")
    assert (found.name, found.has_own_name, found.version) == ("greeter", False, "")
    found.set_version(found.next_version())
    assert FuncFile(found.path).version == "0.0.1"


def test_json_is_read_and_written_back(tmp_path: Path) -> None:
    found = func_file(
        tmp_path, '{"schema_version": 20180708, "name": "j", "version": "1.2.3", "x": [1]}', "func.json"
    )
    found.set_version("1.3.0")
    assert json.loads(found.path.read_text()) == {
        "schema_version": 20180708,
        "name": "j",
        "version": "1.3.0",
        "x": [1],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema_version: 20180708\nname: a: b\n", "func.yaml:2:8: mapping values"),
        ("schema_version: 20180708\nmemory: lots\n", "func.yaml:2:9: memory is not a whole number"),
        ("schema_version: 20180708\ntimeout: 900\n", "func.yaml:2:10: timeout is 900 s"),
        ("schema_version: 20180708\nidle_timeout: -1\n", "func.yaml:2:15: idle timeout is -1 s"),
        ("schema_version: 20180708\nmemory: yes\n", "func.yaml:2:9: memory is not a whole number"),
        ("schema_version: 20180708\nname: [a]\n", "func.yaml:2:7: name is not one value"),
        ("schema_version: 20180708\nconfig:\n- A=1\n", "func.yaml:3:1: config is not 'key: value' lines"),
        ("schema_version: 20180708\nconfig:\n  A: [1]\n", "func.yaml:3:6: config.A is not one value"),
        ("schema_version: 20180708\nversion: one\n", "func.yaml:2:10: 'one' is not a version"),
        ("schema_version: 20180708\ntriggers:\n- name: a\n", "func.yaml:3:3: the trigger has no type"),
        (f"{TRIGGER}  source: nope\n", "func.yaml:5:11: the trigger's source is 'nope'"),
        (f"{TRIGGER}  source: /x\n".replace("name: a", "name: a b"), "func.yaml:3:9: 'a b' cannot name"),
        (f"{TRIGGER}  source: /x\n".replace("http", "ftp"), "func.yaml:4:9: the trigger's type is 'ftp'"),
        ("schema_version: 20260325\n", "func.yaml:1:17: schema_version is 20260325"),
        ("name: old\npath: /old\n", "no schema_version, as before 2018"),
        ("schema_version: 20180708\nname: a\nname: b\n", 'func.yaml:3:1: found duplicate key "name"'),
        ("schema_version: 20180708\n\tname: a\n", "func.yaml:2:1: "),
        ("", "no schema_version"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        func_file(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "provisioned_concurrency: {strategy: SOME}",
            "func.yaml:4:41: deploy.oci.provisioned_concurrency.strategy is 'SOME'",
        ),
        ("provisioned_concurrency: {strategy: CONSTANT}", "provisioned_concurrency has no count"),
        ("provisioned_concurrency: {count: many}", "count is not a whole number"),
        ("provisioned_concurrency: 40", "is not 'key: value' lines"),
        ("detached_mode: {on_success: {type: mail}}", "has the type 'mail'"),
        ("detached_mode: {on_failure: {type: queue}}", "deploy.oci.detached_mode.on_failure has no ocid"),
        ("detached_mode: {on_success: {type: stream, ocid: o, channel_id: c}}", "has a channel_id"),
        ("freeform_tags: [a]", "is not 'key: value' lines"),
        ("defined_tags: {a: b}", "deploy.oci.defined_tags.a is not 'key: value' lines"),
        ("pbf: {listing: ocid1.pbf}", "deploy.oci.pbf has no listing_id"),
        ("pbf: ocid1.pbf", "is not 'key: value' lines"),
        ("detached_mode: {timeout: soon}", "func.yaml:4:30: deploy.oci.detached_mode.timeout: 'soon'"),
        ("detached_mode: {timeout: 1500ms}", "'1500ms' is not whole seconds"),
        ("memory: 128", "func.yaml:4:13: deploy.oci.memory is nothing that OCI is told"),
    ],
)
def test_what_oci_cannot_be_told_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        func_file(tmp_path, f"schema_version: 20180708\ndeploy:\n  oci:\n    {text}\n")
    assert said in str(caught.value)
    assert "func.yaml:4:" in str(caught.value)


def test_a_folder_without_a_function(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no func\.yaml"):
        find_func_file(tmp_path)
    with pytest.raises(BadInput, match="is not a folder"):
        find_func_file(tmp_path / "gone")


def test_all_functions_below_a_folder(tmp_path: Path) -> None:
    for place in (".", "b", "a/deep", ".venv/lib", "node_modules/x"):
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "func.yaml").write_text("schema_version: 20180708\nruntime: python\n")
    assert [str(each.folder.relative_to(tmp_path)) for each in walk(tmp_path)] == [".", "a/deep", "b"]


def test_an_application(tmp_path: Path) -> None:
    assert find_app_file(tmp_path) is None
    (tmp_path / "app.yaml").write_text("name: shop\nconfig:\n  A: 010\nannotations: {k: [1]}\n")
    found = find_app_file(tmp_path)
    assert found is not None
    assert (found.name, found.body) == ("shop", {"config": {"A": "010"}, "annotations": {"k": [1]}})
    (tmp_path / "app.yaml").write_text("config: {}\n")
    with pytest.raises(BadInput, match="has no name"):
        find_app_file(tmp_path)


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\x85\ufeff\u2028\u2029")
)
scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts.filter(lambda key: key != "version"), values, max_size=6))
def test_whatever_is_in_a_file_is_in_it_afterwards(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "any.yaml"
    document = yamlfile.empty(path)
    document.data.update(content)
    yamlfile.write(document)
    again = yamlfile.read(path)
    assert dict(again.data) == content
    again.data["version"] = "0.0.2"
    yamlfile.write(again)
    final = dict(yamlfile.read(path).data)
    assert final.pop("version") == "0.0.2"
    assert final == content


lines = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("name: hello", "runtime: 'python'", 'cmd: "a: b"', "memory:   256"),
                *("x-mine: {a: 1, b: [2, ~]}", "build:\n- make  # all\n- 'true'"),
                "config:\n  PORT: 010\n  RATE: 0.10 # as text",
                "triggers:\n  # the way in\n- name: t\n  type: http\n  source: /t",
            ]
        ),
        st.sampled_from(["", "   # why", "\n# below", "\n\n# far below\n"]),
    ),
    unique_by=lambda line: line[0],
)
versions = st.sampled_from(["0.0.1", "'0.0.1'", '"0.0.1"   # kept', "&v 0.0.1", "!!str 0.0.1 #x"])


@given(lines, st.integers(0, 8), versions, st.sampled_from(["\n", "\r\n"]))
def test_a_new_version_changes_no_other_byte(
    tmp_path: Path, content: list[tuple[str, str]], place: int, version: str, end: str
) -> None:
    texts = [f"{text}{comment}" for text, comment in content]
    texts = ["schema_version: 20180708", *texts[:place], f"version: {version}", *texts[place:], ""]
    path = tmp_path / "func.yaml"
    before = "\n".join(texts).replace("\n", end).encode()
    path.write_bytes(before)
    found = FuncFile(path)
    assert found.version == "0.0.1"
    found.set_version(found.next_version())
    first, _, rest = before.partition(b"version: " + version.encode())
    told = path.read_bytes()
    assert told.startswith(first + b"version: ")
    assert told.endswith(rest)
    assert FuncFile(path).version == found.version == "0.0.2"
    if "#" in version:
        assert told.count(b"#") == before.count(b"#")


def test_a_version_in_one_line_with_all_else(tmp_path: Path) -> None:
    found = func_file(tmp_path, "{schema_version: 20180708, version: 0.0.9,  name: x} # all\n")
    found.set_version("0.1.0")
    assert found.path.read_text() == "{schema_version: 20180708, version: 0.1.0,  name: x} # all\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a: b\n", "app.yaml:1:8: mapping values are not allowed here"),
        ("name: shop\nname: x\n", "app.yaml:2:1: found duplicate key"),
        ("name: [shop]\n", "app.yaml:1:7: name is not one value"),
        ("name: shop\nconfig: [a]\n", "app.yaml:2:9: config is not 'key: value' lines"),
        ("name: shop\nconfig:\n  A: {b: c}\n", "app.yaml:3:6: config.A is not one value"),
        ("- name\n", "app.yaml:1:1: expected 'key: value' lines"),
    ],
)
def test_an_application_that_cannot_be_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "app.yaml").write_text(text)
    with pytest.raises(BadInput) as caught:
        find_app_file(tmp_path)
    assert said in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(BadInput):
        yamlfile.parse(text, tmp_path / "any.yaml")


numbers = st.integers(0, 10**6)


@given(numbers, numbers, numbers)
def test_bumping(major: int, minor: int, patch: int) -> None:
    version = f"{major}.{minor}.{patch}"
    assert bumped(version) == bumped(version + "-rc.1") == f"{major}.{minor}.{patch + 1}"
    assert bumped(version, "minor") == f"{major}.{minor + 1}.0"
    assert bumped(version, "major") == f"{major + 1}.0.0"
    assert bumped("") == "0.0.1"
    for bad in (f"{major}.{minor}", f"v{version}", f"{version}.1", f"0{version}"):
        with pytest.raises(BadInput, match="is not a version"):
            bumped(bad)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: hello\n\tx: 1\n", "hello"),
        ('runtime: [\n"name": "hello"  # mine\n', "hello"),
        ("names: no\n other: [\n", "f"),
        ("", "f"),
    ],
)
def test_the_name_of_what_cannot_be_understood(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "F").mkdir()
    assert guessed_name(tmp_path / "F") == "f"
    (tmp_path / "F" / "func.yaml").write_text(text)
    assert guessed_name(tmp_path / "F") == guessed_name(tmp_path / "F" / "func.yaml") == name

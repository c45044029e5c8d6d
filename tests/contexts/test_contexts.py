"""Contexts in the Fn CLI's own files: read, changed and overridden, with everything else kept."""

from __future__ import annotations

import io
import multiprocessing
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nbfn.contexts import Context, Contexts
from nbfn.errors import BadInput, NameRefused

if TYPE_CHECKING:
    from pathlib import Path

    Edits = list[tuple[str, str, str | None]]

# As the Fn CLI writes them, with what a person may have added.
CONFIG = "cli-version: 0.6.63\ncontainer-enginetype: podman\ncurrent-context: cloud\n"
CLOUD = """\
# the team's
api-url: https://functions.us-ashburn-1.oci.oraclecloud.com
oracle.compartment-id: ocid1.compartment.oc1..aaaa
oracle.profile: "WORK"
provider: oracle
registry: iad.ocir.io/tenancy/team  # mine
x-unknown:
  nested: 007
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".fn" / "contexts").mkdir(parents=True)
    (tmp_path / ".fn" / "config.yaml").write_text(CONFIG)
    (tmp_path / ".fn" / "contexts" / "cloud.yaml").write_text(CLOUD)
    return tmp_path


def contexts(home: Path, **environ: str) -> Contexts:
    return Contexts(home, environ)


def test_without_files_there_is_the_local_executor_and_nothing_is_written(tmp_path: Path) -> None:
    found = contexts(tmp_path)
    assert found.names() == ["default"]
    assert found.current_name() == ""
    assert found.current() == Context("default", "default", "http://localhost:8080")
    assert found.current().is_local
    assert list(tmp_path.iterdir()) == []


def test_what_the_fn_cli_wrote_is_read(home: Path) -> None:
    current = contexts(home).current()
    assert (current.name, current.provider, current.is_oracle, current.is_local) == (
        "cloud",
        "oracle",
        True,
        False,
    )
    assert current.oracle == {"compartment-id": "ocid1.compartment.oc1..aaaa", "profile": "WORK"}
    assert current.registry == "iad.ocir.io/tenancy/team"
    assert contexts(home).values("cloud")["x-unknown.nested"] == "007"


def test_nested_keys_mean_the_same(home: Path) -> None:
    file = home / ".fn" / "contexts" / "cloud.yaml"
    file.write_text("provider: oracle\noracle:\n  profile: A # keep\n")
    contexts(home).update("cloud", "oracle.profile", "B")
    assert contexts(home).get("cloud").oracle == {"profile": "B"}
    assert "  profile: B # keep\n" in file.read_text()


def test_a_change_keeps_everything_else(home: Path) -> None:
    contexts(home).update("cloud", "registry", "other/team")
    text = (home / ".fn" / "contexts" / "cloud.yaml").read_text()
    assert re.sub(" +# mine", "  # mine", text) == CLOUD.replace("iad.ocir.io/tenancy", "other")
    contexts(home).update("cloud", "oracle.compartment-id", None)
    assert "compartment" not in (home / ".fn" / "contexts" / "cloud.yaml").read_text()
    contexts(home).use("default")
    assert (home / ".fn" / "config.yaml").read_text() == CONFIG.replace(": cloud", ": default")
    contexts(home).unset()
    assert contexts(home).current_name() == ""


def test_only_contexts_are_in_the_folder_of_contexts(home: Path) -> None:
    made = contexts(home)
    made.create("mine", api_url="http://localhost:9090", registry="me")
    assert sorted(path.name for path in (home / ".fn" / "contexts").iterdir()) == ["cloud.yaml", "mine.yaml"]
    assert made.get("mine") == Context("mine", "default", "http://localhost:9090", "me")
    assert (home / ".fn" / "contexts" / "mine.yaml").stat().st_mode & 0o777 == 0o600
    made.delete("mine")
    assert made.names() == ["cloud", "default"]


@pytest.mark.parametrize(
    ("environ", "key", "value"),
    [
        ({"FN_API_URL": "http://elsewhere:1"}, "api_url", "http://elsewhere:1"),
        ({"FN_API_URL": "elsewhere:1"}, "api_url", "http://elsewhere:1"),
        ({"FN_REGISTRY": "r"}, "registry", "r"),
        ({"FN_PROVIDER": "default"}, "provider", "default"),
        ({"FN_TOKEN": "t"}, "token", "t"),
        ({"FN_CONTEXT": "default"}, "name", "default"),
        ({"OCI_CLI_AUTH": "instance_principal"}, "provider", "oracle-ip"),
        ({"OCI_CLI_AUTH": "instance_obo_user"}, "provider", "oracle-cs"),
    ],
)
def test_the_environment_wins(home: Path, environ: dict[str, str], key: str, value: str) -> None:
    assert getattr(contexts(home, **environ).current(), key) == value
    assert contexts(home).current().provider == "oracle"


def test_ocis_own_variables_win_over_its_keys(home: Path) -> None:
    current = contexts(home, OCI_CLI_PROFILE="HOME", OCI_CLI_KEY_FILE="/k").current()
    assert (current.oracle["profile"], current.oracle["key-file"]) == ("HOME", "/k")


def test_a_changed_default_is_not_the_local_executor(tmp_path: Path) -> None:
    made = contexts(tmp_path)
    made.update("default", "registry", "me")
    assert made.current().is_local
    made.update("default", "api-url", "http://somewhere:8080")
    assert not made.current().is_local
    assert not contexts(tmp_path / "x", FN_API_URL="http://127.0.0.1:8080").current().is_local


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("provider: oracle\napi-url: a: b\n", "cloud.yaml:2:11: mapping values are not allowed here"),
        ("provider: oracle\nprovider: default\n", "cloud.yaml:2:1: found duplicate key"),
        ("- provider\n", "cloud.yaml:1:1: expected 'key: value' lines"),
        ("provider: [oracle]\n", "cloud.yaml:1:11: provider is a list"),
        ("provider: azure\n", "provider is 'azure'"),
        ("api-url: localhost:8080\n", "'localhost:8080' is not an address"),
        ("api-url: http://localhost:many\n", "'http://localhost:many' is not an address"),
        ("a: \tb: \x00", "cloud.yaml"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named_with_its_line(home: Path, text: str, said: str) -> None:
    (home / ".fn" / "contexts" / "cloud.yaml").write_text(text)
    with pytest.raises(BadInput) as caught:
        contexts(home).current()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("current-context: a: b\n", "config.yaml:1:19: mapping values are not allowed here"),
        ("- current-context\n", "config.yaml:1:1: expected 'key: value' lines"),
        ("current-context: gone\n", "config.yaml:1:18: there is no context 'gone'"),
        ("current-context: a/b\n", "'a/b' cannot name a context"),
    ],
)
def test_a_choice_that_cannot_be_understood_is_named(home: Path, text: str, said: str) -> None:
    (home / ".fn" / "config.yaml").write_text(text)
    with pytest.raises(BadInput) as caught:
        contexts(home).current()
    assert said in str(caught.value)


keys = st.sampled_from(["registry", "token", "oracle.profile", "oracle.compartment-id", "x-mine", "x-other"])
texts = st.text("ab:#'\"{}[]-~0129. ", max_size=8).map(str.strip).filter(bool)
edits = st.lists(st.tuples(st.sampled_from(["ours", "theirs"]), keys, st.none() | texts), max_size=12)


@given(edits)
def test_both_tools_edit_one_file(tmp_path_factory: pytest.TempPathFactory, edits: Edits) -> None:
    """As the Fn CLI does it: all is read, a key set, and all written again, sorted and without comments."""
    home = tmp_path_factory.mktemp("home")
    made = Contexts(home, {})
    made.create("mine", api_url="http://localhost:1")
    expected = {"provider": "default", "api-url": "http://localhost:1", "registry": ""}
    for who, key, value in edits:
        if value is None and key not in expected:
            continue
        if who == "ours":
            made.update("mine", key, value)
        else:
            held = YAML(typ="safe", pure=True).load(made.file("mine").read_text())
            held = {**held, key: value} if value is not None else {k: v for k, v in held.items() if k != key}
            stream, yaml = io.StringIO(), YAML(typ="safe", pure=True)
            yaml.default_flow_style = False
            yaml.dump(dict(sorted(held.items())), stream)
            made.file("mine").write_text(stream.getvalue())
        if value is None:
            del expected[key]
        else:
            expected[key] = value
    found = YAML(typ="safe", pure=True).load(made.file("mine").read_text())
    assert {key: str(value) for key, value in found.items() if isinstance(value, str)} == {
        key: value for key, value in expected.items() if isinstance(found[key], str)
    }
    assert {key: "" if v is None else v for key, v in made.values("mine").items()} == expected


def test_what_is_not_text_is_named(home: Path) -> None:
    (home / ".fn" / "contexts" / "cloud.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"cloud\.yaml:\d+:\d+ is not UTF-8"):
        contexts(home).current()


def test_names_and_choices_that_cannot_be(home: Path) -> None:
    made = contexts(home)
    for name in ("a b", "", "../x", "a/b", "ä"):
        with pytest.raises(NameRefused, match="cannot name a context"):
            made.create(name)
    with pytest.raises(BadInput, match="there is a context 'cloud' already"):
        made.create("cloud")
    with pytest.raises(BadInput, match=r"no context 'gone'[^\n]*\n.*cloud, default"):
        made.use("gone")
    with pytest.raises(BadInput, match="is the current one"):
        made.delete("cloud")
    with pytest.raises(BadInput, match="'default' cannot be deleted"):
        made.delete("default")
    with pytest.raises(BadInput, match="is not an address"):
        made.update("cloud", "api-url", "no address")
    with pytest.raises(BadInput, match="has no key 'nothing'"):
        made.update("cloud", "nothing", None)
    assert (home / ".fn" / "contexts" / "cloud.yaml").read_text() == CLOUD
    assert (home / ".fn" / "config.yaml").read_text() == CONFIG


def test_secrets_are_not_shown(home: Path) -> None:
    made = contexts(home)
    made.update("cloud", "token", "s3cret")
    made.update("cloud", "oracle.pass-phrase", "phr4se")
    shown = made.text("cloud") + repr(made.current())
    assert "s3cret" not in shown
    assert "phr4se" not in shown


def _edit(home: Path, mark: str, times: int) -> None:
    for number in range(times):
        Contexts(home, {}).update("cloud", f"x-{mark}-{number}", mark)


def test_two_processes_that_edit_the_same_context_lose_nothing(home: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    editors = [spawn.Process(target=_edit, args=(home, mark, 15)) for mark in ("a", "b")]
    for editor in editors:
        editor.start()
    for editor in editors:
        editor.join()
    values = contexts(home).values("cloud")
    assert {key for key in values if key.startswith(("x-a", "x-b"))} == {
        f"x-{mark}-{number}" for mark in ("a", "b") for number in range(15)
    }
    assert "# the team's" in (home / ".fn" / "contexts" / "cloud.yaml").read_text()


def test_one_bad_file_does_not_hide_the_others(home: Path) -> None:
    folder = home / ".fn" / "contexts"
    (folder / "yaml.yaml").write_text("api-url: a: b\n")
    (folder / "azure.yaml").write_text("provider: azure\n")
    (folder / "bytes.yaml").write_bytes(b"\xff\xfe")
    (folder / "folder.yaml").mkdir()
    (folder / "a b.yaml").write_text("provider: default\n")
    good, bad = contexts(home).sorted_out()
    assert [each.name for each in good] == ["cloud", "default"]
    assert {path.stem for path in bad} == {"yaml", "azure", "bytes", "folder", "a b"}


@pytest.mark.parametrize("key", ["token", "oracle.pass-phrase"])
def test_a_file_that_holds_a_secret_is_its_owners_alone(home: Path, key: str) -> None:
    made, file = contexts(home), contexts(home).file("cloud")
    file.write_text("provider: oracle\noracle:\n  profile: A\n")
    file.chmod(0o644)
    made.update("cloud", "registry", "me")
    assert file.stat().st_mode & 0o777 == 0o644
    made.update("cloud", key, "s3cret")
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o400)
    made.update("cloud", key, "other")
    assert file.stat().st_mode & 0o777 == 0o400


def test_the_folder_is_its_owners_alone_if_it_is_made_here(home: Path, tmp_path: Path) -> None:
    contexts(tmp_path / "new").create("mine")
    assert (tmp_path / "new" / ".fn").stat().st_mode & 0o777 == 0o700
    (home / ".fn").chmod(0o755)
    contexts(home).update("cloud", "token", "t")
    assert (home / ".fn").stat().st_mode & 0o777 == 0o755


def test_who_said_what_cannot_be_is_named(home: Path) -> None:
    made = contexts(home)
    with pytest.raises(BadInput, match=r"^--provider: provider is 'azure'"):
        made.create("b", provider="azure")
    with pytest.raises(BadInput, match=r"^--api-url: 'nowhere' is not an address"):
        made.create("b", api_url="nowhere")
    with pytest.raises(BadInput, match=r"^FN_PROVIDER: provider is 'azure'"):
        contexts(home, FN_PROVIDER="azure").current()
    with pytest.raises(BadInput, match=r"^FN_API_URL: 'ftp://x' is not an address"):
        contexts(home, FN_API_URL="ftp://x").current()
    made.file("cloud").write_text("provider: azure\n")
    with pytest.raises(BadInput, match=r"cloud\.yaml: provider is 'azure'"):
        contexts(home, FN_API_URL="http://x").current("cloud")


def test_what_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / ".fn"
    (folder / "contexts").mkdir(parents=True)
    (folder / "config.yaml").write_text("cli-version: 0.6.63\ncurrent-context: a b\n")
    with pytest.raises(NameRefused, match=r"config\.yaml:2:18: 'a b' cannot name a context"):
        Contexts(tmp_path, {}).current()
    with pytest.raises(NameRefused, match=r"^FN_CONTEXT: 'c d' cannot name a context"):
        Contexts(tmp_path, {"FN_CONTEXT": "c d"}).current()
    with pytest.raises(NameRefused, match=r"^'e f' cannot name a context"):
        Contexts(tmp_path, {}).current("e f")
    (folder / "contexts" / "x.yaml").write_bytes(b"provider: default\nregistry: \xc3\xa4\xff\n")
    with pytest.raises(BadInput, match=r"x\.yaml:2:12 is not UTF-8 text"):
        Contexts(tmp_path, {}).get("x")
    (folder / "contexts" / "x.yaml").write_text("- a\n")
    with pytest.raises(BadInput, match=r"x\.yaml:1:1: expected 'key: value' lines, found a list"):
        Contexts(tmp_path, {}).get("x")
    (folder / "contexts" / "x.yaml").write_text("word\n")
    with pytest.raises(BadInput, match=r"found the str 'word'"):
        Contexts(tmp_path, {}).get("x")

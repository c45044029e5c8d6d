"""Files from before 2018 become files of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import yamlfile
from nbfn.errors import BadInput
from nbfn.projects import find_func_file
from nbfn.projects.migrate import GONE, migrate, migrated
from tests.commands.fnline import fn

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
# the greeter
name: hello
version: 0.0.7  # of March
runtime: go
entrypoint: ./func
format: http
path: /say/hello
memory: 256
cpus: 100m
tests:
- input: {}
config:
  KEY: "010"
"""
NEW = """\
# the greeter
schema_version: 20180708
name: hello
version: 0.0.7  # of March
runtime: go
entrypoint: ./func
memory: 256
config:
  KEY: "010"
triggers:
- name: hello
  type: http
  source: /say/hello
"""


def test_the_file_is_brought_up_to_date_and_kept(tmp_path: Path) -> None:
    (tmp_path / "func.yaml").write_text(OLD)
    with pytest.raises(BadInput, match="`nbfn migrate`"):
        find_func_file(tmp_path)
    found = migrate(tmp_path)
    assert (tmp_path / "func.yaml").read_text() == NEW
    assert (tmp_path / "func.yaml.bak").read_text() == OLD
    assert (found.name, found.version, found.memory, found.config) == ("hello", "0.0.7", 256, {"KEY": "010"})
    assert [(each.name, each.source) for each in found.triggers] == [("hello", "/say/hello")]
    with pytest.raises(BadInput, match="is up to date"):
        migrate(tmp_path)
    assert (tmp_path / "func.yaml.bak").read_text() == OLD


def test_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "func.yaml").write_text(OLD)
    assert fn("migrate").out == "Successfully migrated func.yaml and created a back up func.yaml.bak\n"
    assert (tmp_path / "func.yaml").read_text() == NEW
    again = fn("migrate")
    assert (again.code, again.out) == (1, "")
    assert "func.yaml is up to date" in again.err


@pytest.mark.parametrize(
    ("text", "triggers"),
    [
        ("name: me/hello:1\nversion: 0.0.1\n", [("hello", "/me/hello:1")]),
        ("version: 0.0.1\n", []),
        ("name: hello\npath: say\n", [("hello", "/say")]),
        ("name: hello\ntriggers:\n- {name: a, type: http, source: /a}\n", [("a", "/a")]),
    ],
)
def test_where_it_was_called_at(tmp_path: Path, text: str, triggers: list[tuple[str, str]]) -> None:
    (tmp_path / "func.yml").write_text(text)
    assert [(each.name, each.source) for each in migrate(tmp_path).triggers] == triggers


def test_a_file_of_json_stays_one(tmp_path: Path) -> None:
    (tmp_path / "func.json").write_text('{"name": "hello", "version": "0.0.1", "format": "http"}')
    found = migrate(tmp_path)
    assert (found.path.name, found.name) == ("func.json", "hello")
    assert '"format"' not in found.path.read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"has no func\.yaml"),
        ("schema_version: 20990101\nname: x\n", r"func\.yaml:1:17: schema_version is 20990101"),
        ("name: [a]\n", r"func\.yaml:1:7"),
        ("name: hello\nversion: one\n", r"'one' is not a version"),
        ("name: a: b\n", r"func\.yaml:1:8"),
    ],
)
def test_what_cannot_be_migrated_stays(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "func.yaml").write_text(text)
    with pytest.raises(BadInput, match=said):
        migrate(tmp_path)
    if text is not None:
        assert (tmp_path / "func.yaml").read_text() == text


keys = st.sampled_from(["name", "runtime", "memory", "config", "build", "x-mine", *GONE])
plain = st.text("abc", min_size=1, max_size=5)


@given(st.dictionaries(keys, plain, min_size=1))
def test_nothing_but_what_is_gone_is_lost(tmp_path: Path, content: dict[str, str]) -> None:
    path = tmp_path / "func.yaml"
    text = yamlfile.dump({**content, "kept": {"deep": [1, "two"]}})
    after = yamlfile.parse(migrated(yamlfile.parse(text, path)), path).data
    assert after.pop("schema_version") == 20180708
    after.pop("triggers", None)
    assert after.pop("kept") == {"deep": [1, "two"]}
    assert dict(after) == {key: value for key, value in content.items() if key not in GONE}

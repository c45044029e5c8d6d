"""Contexts from the line, where something about them is not as it should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from nbfn import config
from nbfn import session as sessions
from nbfn.commands.edge import Edge
from nbfn.commands.main import cli
from tests.commands.fnline import at_home, fn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def test_a_list_has_those_that_can_be_understood_and_names_the_others(home: Path) -> None:
    fn("create", "context", "mine", "--api-url", "http://localhost:1")
    folder = home / ".fn" / "contexts"
    (folder / "bad.yaml").write_text("provider: azure\n")
    (folder / "a b.yaml").write_text("provider: default\n")
    done = fn("list", "contexts")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["default", "mine"]
    assert f"left out: {folder / 'bad.yaml'}: provider is 'azure'" in done.err
    assert f"left out: {folder / 'a b.yaml'}: 'a b' cannot name a context" in done.err
    done = fn("list", "contexts", "--output", "json")
    assert done.code == 0
    assert [each["name"] for each in json.loads(done.out)] == ["default", "mine"]
    assert "bad.yaml" in done.err


def test_a_notebook_whose_context_is_bad_lists_the_others(home: Path) -> None:
    fn("create", "context", "mine")
    fn("use", "context", "mine")
    sessions.use(sessions.Session(config.load()))
    (home / ".fn" / "contexts" / "mine.yaml").write_text("provider: azure\n")
    done = CliRunner().invoke(cli, ["list", "contexts"], obj=Edge(in_notebook=True))
    assert done.exit_code == 0
    assert "mine.yaml: provider is 'azure'" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("bad", "bad.yaml: provider is 'azure'"), ("nosuch", "there is no context 'nosuch'")]
)
def test_a_context_that_cannot_be_is_diagnosed_however_it_is_named(
    home: Path, name: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fn("create", "context", "bad")
    (home / ".fn" / "contexts" / "bad.yaml").write_text("provider: azure\n")
    by_option = fn("--context", name, "doctor")
    with_registry = fn("--context", name, "--registry", "me", "doctor", "--output", "json")
    monkeypatch.setenv("FN_CONTEXT", name)
    by_variable = fn("doctor")
    unnamed = by_variable.out.replace("FN_CONTEXT: ", "")
    assert (by_option.code, by_option.out, by_option.err) == (1, unnamed, "")
    assert said in by_option.out
    assert any(said in each["message"] for each in json.loads(with_registry.out))


def test_what_to_do_is_said_of_the_context_that_is_meant(home: Path) -> None:
    fn("create", "context", "cloud", "--provider", "oracle")
    meant = "`nbfn --context cloud update context oracle.compartment-id"
    assert meant in fn("--context", "cloud", "list", "apps").err
    assert meant in " ".join(fn("--context", "cloud", "doctor").out.split())
    line = ("update", "context", "oracle.compartment-id", "ocid1.compartment.oc1..c")
    assert fn("--context", "cloud", *line).out.startswith("Context cloud updated oracle.compartment-id")
    fn("use", "context", "cloud")
    fn("update", "context", "oracle.compartment-id", "--delete")
    assert "`nbfn update context oracle.compartment-id" in fn("list", "apps").err


def test_a_variable_that_outweighs_the_choice_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fn("create", "context", "work")
    fn("create", "context", "arch")
    assert fn("use", "context", "arch").err == ""
    monkeypatch.setenv("FN_CONTEXT", "work")
    done = fn("use", "context", "arch")
    assert (done.code, done.out) == (0, "Now using context: arch\n")
    assert "FN_CONTEXT=work outweighs that" in done.err
    assert fn("use", "context", "work").err == ""
    assert "FN_CONTEXT=work outweighs that" in fn("unset", "context").err
    inside = CliRunner().invoke(cli, ["use", "context", "arch"], obj=Edge(in_notebook=True))
    assert (inside.exit_code, inside.stderr) == (0, "")

"""The Fn CLI's own table of commands, against ours: each is here, or says what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

import nbfn
from nbfn.commands.main import cli
from tests.commands.fnline import at_home, fn
from tests.commands.stock_grammar import (
    ALIASES,
    COMMANDS,
    GLOBAL,
    NOUNS,
    REFUSED,
    REFUSED_COMMANDS,
    REFUSED_OF,
)
from tests.commands.test_grammar import every_command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What a command without names to give is refused for, if its options are right.
NAMES = {
    "app": "a",
    "function": "a f",
    "trigger": "a f t --source /s",
    "context": "x",
    "build-server": "",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def resolved(line: str) -> click.Command:
    """What our grammar takes the words for."""
    command: click.Command = cli
    with click.Context(cli) as ctx:
        for word in line.split():
            assert isinstance(command, click.Group), line
            _, found, _ = command.resolve_command(ctx, [word])
            assert found is not None
            command = found
    return command


def parsed(text: str) -> tuple[set[str], str]:
    """``name,n=default`` → its spellings, and its default."""
    names, _, default = text.partition("=")
    return {f"{'-' if len(name) == 1 else '--'}{name}" for name in names.split(",")}, default


def options(command: click.Command) -> dict[str, click.Option]:
    found = [each for each in command.params if isinstance(each, click.Option)]
    return {name: each for each in found for name in (*each.opts, *each.secondary_opts)}


def every_option() -> list[tuple[str, str]]:
    return [(line, text) for line, texts in {"": GLOBAL, **COMMANDS}.items() for text in texts.split()]


def is_refused(line: str, name: str) -> bool:
    return name in REFUSED or name in REFUSED_OF.get(line, ())


@pytest.mark.parametrize(("line", "text"), every_option())
def test_every_option_is_spelt_as_there(line: str, text: str) -> None:
    spellings, default = parsed(text)
    held = options(resolved(line))
    assert spellings <= held.keys(), f"fn {line} has {spellings}"
    (option,) = {id(held[name]): held[name] for name in spellings}.values()
    if default:
        assert str(option.default) == default
    name = text.partition(",")[0].partition("=")[0]
    assert (option.hidden and not option.expose_value) == is_refused(line, name)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (line, text.partition("=")[0])
        for line, text in every_option()
        if is_refused(line, text.partition("=")[0])
    ],
)
def test_an_option_that_is_not_here_says_what_to_do(line: str, name: str) -> None:
    noun = line.split()[-1].removesuffix("s")
    value = [] if options(resolved(line))[f"--{name}"].is_flag else ["x"]
    extra = ["--compartment-id", "ocid1.x"] if line.startswith("change") else []
    names = [] if line.startswith("list app") else NAMES.get(noun, "").split()
    if noun == "trigger" or (line == "create function"):
        names = [*names, *(["me/f:1"] if noun == "function" else [])]
    done = fn(*line.split(), *names, *extra, f"--{name}", *value)
    assert done.code == 1, done.err
    first, advice = done.err.split("\n", 1)
    assert first.startswith("nbfn: `cli ")
    assert first.endswith(f"` has no --{name}")
    assert len(advice.strip()) > 20
    assert not done.out


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_here_or_says_what_to_do(line: str) -> None:
    assert isinstance(resolved(line), click.Command)
    if line in REFUSED_COMMANDS:
        done = fn(*line.split(), "--tag", "mine")
        assert done.code == 1
        assert f"nbfn does not {REFUSED_COMMANDS[line]}" in done.err
        assert "→" in done.err
    else:
        assert not resolved(line).hidden


@pytest.mark.parametrize(("verb", "others"), ALIASES.items())
def test_every_verb_has_its_other_names(verb: str, others: str) -> None:
    assert {resolved(other) for other in others.split()} == {resolved(verb)}


@pytest.mark.parametrize(("noun", "others"), NOUNS.items())
@pytest.mark.parametrize("verb", ["create", "list", "inspect", "update", "delete"])
def test_every_noun_has_its_other_names(verb: str, noun: str, others: str) -> None:
    assert {resolved(f"{verb} {other}") for other in others.split()} == {resolved(f"{verb} {noun}")}


# The Python twin of each command.
_OF_CONFIG = {
    "get": "get_config",
    "list": "list_config",
    "unset": "unset_config",
    "delete": "unset_config",
}
TWINS: dict[str, str | None] = {
    **{f"{verb} config {noun}": twin for verb, twin in _OF_CONFIG.items() for noun in ("app", "function")},
    **{f"config {noun}": "set_config" for noun in ("app", "function")},
    "init": "init_project",
    "migrate": "migrate_project",
    "build": "build_project",
    "bump": "bump_project",
    "push": "push_project",
    "pull": "pull_image",
    "deploy": "deploy_project",
    "watch": "watch_project",
    "invoke": "invoke_function",
    "export": "export",
    "images list": "images",
    "images inspect": "inspect_image",
    "images diff": "diff_images",
    "images tag": "tag_image",
    "images remove": "untag_image",
    "images verify": "verify_images",
    "images prune": "prune_images",
    "rollback": "rollback_function",
    "create context": "create_context",
    "create app": "create_app",
    "create function": "create_function",
    "create trigger": "create_trigger",
    "list context": "list_contexts",
    "list app": "apps",
    "list function": "functions",
    "list trigger": "triggers",
    "list revision": "function_revisions",
    "list call": "function_calls",
    "list pbfs": "prebuilt_functions",
    "list pbfs versions": "prebuilt_versions",
    "list pbfs triggers": "prebuilt_triggers",
    "get pbfs listing": "prebuilt_function",
    "get pbfs version": "prebuilt_version",
    "inspect context": "list_contexts",
    "inspect app": "apps",
    "inspect function": "functions",
    "inspect trigger": "triggers",
    "update context": "update_context",
    "update app": "update_app",
    "update function": "update_function",
    "update trigger": "update_trigger",
    "delete context": "delete_context",
    "delete app": "delete_app",
    "delete function": "delete_function",
    "delete trigger": "delete_trigger",
    "use context": "use_context",
    "unset context": "unset_context",
    "change-compartment app": "change_compartment",
    "logs": "logs",
    "stats": "stats",
    "simulate": "simulate",
    "doctor": "doctor",
    "start": "start_executor",
    "status": "executor_status",
    "stop": "stop_executor",
    "serve": "start_executor",
    "version": "__version__",
    "help": None,
    # Nothing to do in Python either.
    "build-server": None,
    "update server": None,
}


def test_every_command_has_a_twin_in_python() -> None:
    leaves = {
        " ".join(words)
        for words in every_command(cli)
        if words and not isinstance(resolved(" ".join(words)), click.Group)
    } | {"list pbfs"}
    assert TWINS.keys() == leaves
    for line, name in TWINS.items():
        assert name is None or name == "__version__" or name in nbfn.__all__, f"{line}: nbfn.{name}"
        assert name is None or getattr(nbfn, name).__doc__


def test_the_twins_are_documented() -> None:
    from tests.commands import twins

    assert twins.written() == twins.table(), "python -m tests.commands.twins"

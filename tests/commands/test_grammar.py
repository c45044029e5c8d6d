"""The grammar itself: every command has help, the Fn CLI's other spellings work, mistakes are exit code 2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from nbfn.commands.main import cli
from tests.commands.fnline import at_home, fn

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def every_command(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from every_command(inner, (*words, name))


@pytest.mark.parametrize("words", list(every_command(cli)), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    done = fn(*words, "--help")
    assert (done.code, done.err) == (0, "")
    usage, explained = done.out.split("\n\n", 1)
    assert usage.startswith("Usage: ")
    assert explained.strip()
    command = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]  # type: ignore[assignment]
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    assert all(each.help for each in options), f"an option of {words} has no help"


@pytest.mark.parametrize(
    ("line", "canonical"),
    [
        ("ls ctx", "list context"),
        ("list contexts", "list context"),
        ("l a", "list app"),
        ("list f", "list function"),
        ("list fns", "list function"),
        ("c fn", "create function"),
        ("create func", "create function"),
        ("d trig", "delete trigger"),
        ("i t", "inspect trigger"),
        ("up ctx", "update context"),
        ("u ctx", "use context"),
        ("g cf f", "get config function"),
        ("cf app", "config app"),
        ("un config a", "unset config app"),
        ("dp", "deploy"),
        ("iv", "invoke"),
        ("in", "init"),
        ("bu", "build"),
        ("bm", "bump"),
    ],
)
def test_other_spellings(line: str, canonical: str) -> None:
    assert f"Usage: cli {canonical} " in fn(*line.split(), "--help").out


@pytest.mark.parametrize(
    "line",
    [
        "nosuch",
        "create nosuch",
        "create app",
        "create app one two",
        "create app one --config novalue",
        "list apps --output xml",
        "list apps -n -1",
        "update context registry",
        "update context registry x --delete",
        "invoke",
        "invoke onlyapp",
        "config app a k",
        "bump --huge",
    ],
)
def test_a_line_that_cannot_be_is_a_usage_error(line: str) -> None:
    done = fn(*line.split())
    assert done.code == 2
    assert "Error: " in done.err
    assert done.out == ""


@pytest.mark.parametrize("line", ["", "deploy", "create app", "ls trigs", "list pbfs versions", "help"])
def test_help_is_a_word_too(line: str) -> None:
    done = fn("help", *line.split())
    assert (done.code, done.err) == (0, "")
    assert done.out == fn(*line.split(), "--help").out


@pytest.mark.parametrize("line", ["help nosuch", "help create nosuch", "help deploy app"])
def test_help_for_what_is_not_there(line: str) -> None:
    done = fn(*line.split())
    assert (done.code, done.out) == (2, "")
    assert line.split()[-1] in done.err


def test_contexts_from_the_line(home: Path) -> None:
    assert not (home / ".fn").exists()
    assert fn("list", "contexts").out.splitlines()[1].split() == [
        "default",
        "default",
        "http://localhost:8080",
    ]
    assert not (home / ".fn").exists(), "looking makes no files"
    assert fn("create", "context", "cloud", "--provider", "oracle", "--registry", "iad.ocir.io/t").code == 0
    assert fn("use", "context", "cloud").out == "Now using context: cloud\n"
    assert fn("update", "context", "oracle.compartment-id", "ocid1.x").code == 0
    listed = fn("ls", "ctx").out.splitlines()
    assert listed[1].split() == ["*", "cloud", "oracle", "iad.ocir.io/t"]
    assert "oracle.compartment-id: ocid1.x" in fn("inspect", "context").out
    assert (home / ".fn" / "contexts" / "cloud.yaml").read_text() == (
        "provider: oracle\napi-url: ''\nregistry: iad.ocir.io/t\noracle.compartment-id: ocid1.x\n"
    )
    assert fn("update", "context", "token", "s3cret").out == "Current context updated token with …\n"
    assert "s3cret" not in fn("inspect", "context").out
    assert fn("delete", "context", "cloud").code == 1
    assert fn("unset", "context").code == 0
    assert fn("delete", "context", "cloud").out == "Successfully deleted context cloud\n"


def test_a_context_of_oci_that_is_not_whole_says_what_is_missing() -> None:
    fn("create", "context", "cloud", "--provider", "oracle")
    done = fn("--context", "cloud", "list", "apps")
    assert done.code == 1
    assert "context 'cloud' does not say which compartment" in done.err
    assert "`nbfn --context cloud update context oracle.compartment-id" in done.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("create context a/b", "'a/b' cannot name a context"),
        ("create context x --api-url nowhere", "'nowhere' is not an address"),
        ("create context x --provider azure", "provider is 'azure'"),
        ("use context gone", "there is no context 'gone'"),
        ("--context gone list apps", "there is no context 'gone'"),
        ("deploy --app a", "has no func.yaml"),
        ("deploy --all --app a", "has no app.yaml"),
        ("bump", "has no func.yaml"),
        ("init --runtime cobol x", "runtime is 'cobol'"),
    ],
)
def test_what_cannot_be_is_exit_code_1_and_says_why(line: str, said: str) -> None:
    done = fn(*line.split())
    assert (done.code, done.out.replace("Creating function at: ./x\n", "")) == (1, "")
    assert said in done.err


def test_a_folder_of_an_application_is_deployed_with_all(home: Path) -> None:
    (home / "app.yaml").write_text("name: shop\n")
    done = fn("deploy")
    assert (done.code, done.out) == (1, "")
    assert f"{home} has no func.yaml" in done.err, "not . alone"
    assert "fn deploy --all" in done.err
    assert "--all" not in fn("build").err


def test_a_context_that_points_nowhere_is_named() -> None:
    fn("create", "context", "gone", "--api-url", "http://127.0.0.1:1")
    fn("use", "context", "gone")
    done = fn("list", "apps")
    assert done.code == 1
    assert "nothing answers at http://127.0.0.1:1" in done.err
    fn("create", "context", "empty")
    assert "context 'empty' has no api-url" in fn("--context", "empty", "list", "apps").err


def test_a_broken_file_is_named_with_its_line(home: Path) -> None:
    fn("create", "context", "mine", "--api-url", "http://localhost:1")
    (home / ".fn" / "contexts" / "mine.yaml").write_text("api-url: http://localhost:1\n  registry: x\n")
    done = fn("use", "context", "mine")
    assert done.code == 1
    assert "mine.yaml:2:" in done.err


def test_bump_changes_the_version_alone(home: Path) -> None:
    fn("init", "--runtime", "python", "hello")
    before = (home / "hello" / "func.yaml").read_text()
    assert fn("bump", "-w", "hello").out == "Bumped to version 0.0.2\n"
    assert fn("bump", "--minor", "-w", "hello").out == "Bumped to version 0.1.0\n"
    assert fn("bump", "--major", "-w", "hello").out == "Bumped to version 1.0.0\n"
    assert (home / "hello" / "func.yaml").read_text() == before.replace("0.0.1", "1.0.0")


def told_by_completion(how: str, **words: str) -> str:
    """What the program says to a shell that asks, by click's protocol."""
    script = str(Path(sys.executable).with_name("nbfn"))
    environ = os.environ | {"_NBFN_COMPLETE": how} | words
    return subprocess.run([script], env=environ, capture_output=True, text=True, check=True).stdout


def completed(line: str) -> list[str]:
    """What Tab offers in bash at the end of ``line``."""
    told = told_by_completion("bash_complete", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    return [each.partition(",")[2] for each in told.splitlines()]


def test_more_is_said_wherever_it_is_asked_for(home: Path) -> None:
    fn("init", "--runtime", "python", "hello")
    assert "LAYER" not in fn("build", "hello").out
    before, behind = fn("-v", "build", "hello"), fn("build", "-v", "hello")
    assert "LAYER" in before.out
    assert before.out == behind.out


@pytest.mark.parametrize("line", ["", "list", "create", "config", "images"])
def test_alone_a_word_shows_its_help(line: str) -> None:
    done = fn(*line.split())
    assert (done.code, done.err) == (0, "")
    assert done.out == fn(*line.split(), "--help").out


def test_a_shell_completes(home: Path) -> None:
    fn("create", "context", "cloud")
    assert completed("nbfn de") == ["delete", "deploy"]
    assert completed("nbfn use context c") == ["cloud"]
    assert completed("nbfn inspect app a") == [""], "no executor runs, and none is started for it"
    assert completed("nbfn mi") == ["migrate"]
    assert completed("nbfn list pbfs v") == ["versions"]
    assert completed("nbfn change-compartment app --comp") == ["--compartment-id"]
    assert "--iofs-dir" not in completed("nbfn start --"), "what is refused is not offered"
    assert completed("nbfn create context x --provider oracle-") == ["oracle-ip", "oracle-cs"]
    assert completed("nbfn create app x --shape GENERIC_A") == ["GENERIC_ARM"]
    assert [each.upper() for each in completed("nbfn create app --wait-for-state ACTI")] == ["ACTIVE"]


@pytest.mark.parametrize(
    ("shell", "words", "offered"),
    [("zsh", {"COMP_WORDS": "nbfn wat"}, "plain\nwatch\n"), ("fish", {"COMP_WORDS": "nbfn "}, "plain,watch")],
)
def test_other_shells_complete(home: Path, shell: str, words: dict[str, str], offered: str) -> None:
    assert "_NBFN_COMPLETE=" in told_by_completion(f"{shell}_source"), "what is evaluated in the shell"
    cword = "wat" if shell == "fish" else "1"
    assert offered in told_by_completion(f"{shell}_complete", **words, COMP_CWORD=cword)


def test_keys_and_properties_complete(home: Path) -> None:
    fn("create", "app", "shop", "--config", "CURRENCY=EUR", "--config", "COLOUR=red")
    assert completed("nbfn get config app shop C") == ["COLOUR", "CURRENCY"]
    assert completed("nbfn unset config app shop CU") == ["CURRENCY"]
    assert completed("nbfn inspect app shop c") == ["config", "created_at"]
    assert completed("nbfn get config app gone ") == [""], "there is none of that name"

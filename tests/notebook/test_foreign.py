"""Cells in Go and Node: built by a real Docker, run by the executor, called like any other."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from nbfn.errors import ArgumentsError, RemoteError
from tests.notebook.test_deploy import run
from tests.projects.daemon import names_taken_off

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

Out = pytest.CaptureFixture[str]

pytestmark = [pytest.mark.needs("docker", "toolchains", "root")]


@pytest.fixture(scope="module", autouse=True)
def _no_name_stays_in_the_daemon() -> Iterator[None]:
    with names_taken_off("greet-go", "greet-steps", "total"):
        yield


GO = """\
%%fn_deploy greet-go --runtime go --build-image nbfn-test/go-dev --run-image nbfn-test/base --config WORD=Hi
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	fdk "github.com/fnproject/fdk-go"
)

func main() {
	fdk.Handle(fdk.HandlerFunc(func(_ context.Context, in io.Reader, out io.Writer) {
		var who struct{ Name string }
		_ = json.NewDecoder(in).Decode(&who)
		fmt.Fprintln(os.Stderr, "greeting", who.Name)
		_ = json.NewEncoder(out).Encode(map[string]string{"message": os.Getenv("WORD") + " " + who.Name})
	}))
}
"""

NODE = """\
%%fn_deploy total --runtime node --build-image nbfn-test/node --run-image nbfn-test/node --quiet
const fdk = require('@fnproject/fdk')

fdk.handle(input => {
  if (!Array.isArray(input)) throw new Error('numbers, please')
  return { total: input.reduce((a, b) => a + b, 0), node: process.version }
})
"""


def test_a_cell_in_go(shell: InteractiveShell, capsys: Out) -> None:
    run(shell, GO.replace("--runtime", "--verbose --runtime"))
    shown = capsys.readouterr().out
    assert "RUN go build -o func" in shown
    assert "greet-go" in shown, "its card"
    greet: Any = shell.user_ns["greet_go"]
    assert greet({"name": "Ana"}) == {"message": "Hi Ana"}
    assert greet(name="Bo") == {"message": "Hi Bo"}
    assert greet.last.start == "warm"
    assert sorted(each["message"] for each in greet.map([{"name": "C"}, {"name": "D"}])) == ["Hi C", "Hi D"]
    with pytest.raises(ArgumentsError):
        greet("a", "b")
    assert "greeting Ana" in str(greet.logs())
    run(shell, "%fn_show greet-go")
    assert "func main() {" in capsys.readouterr().out

    shell.run_cell(GO.replace("os.Getenv", "os.Nowhere"))
    error = capsys.readouterr().out
    assert (
        "BuildFailed: the build of 'greet-go': step 7/11 `RUN go build -o func` ended with exit code" in error
    )
    (number,) = [number for number, line in enumerate(GO.split("\n"), 1) if "os.Getenv" in line]
    assert f"./func.go:{number}:" in error, "the line of the cell"
    assert greet(name="E") == {"message": "Hi E"}, "what was deployed is there"
    run(shell, "%fn_undeploy greet-go")
    assert "removed" in capsys.readouterr().out


def test_a_bar_counts_the_steps_of_a_build(
    shell: InteractiveShell, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    anew = GO.replace("greet-go", "greet-steps").replace("func main", f"// {uuid4()}\n\nfunc main")
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
        monkeypatch.setattr(sys, "stderr", terminal)
        run(shell, anew)
    seen = b""
    with contextlib.suppress(OSError):  # its end, on Linux
        while piece := os.read(ours, 65536):
            seen += piece
    os.close(ours)
    assert "greet-steps: building, step 7 of 11" in seen.decode()
    assert "Step " not in capsys.readouterr().out, "its lines are for --verbose"
    run(shell, "%fn_undeploy greet-steps")


def test_a_cell_in_node(shell: InteractiveShell, capsys: Out) -> None:
    run(shell, NODE)
    assert capsys.readouterr().out == ""
    total: Any = shell.user_ns["total"]
    assert total([1, 2, 3])["total"] == 6
    with pytest.raises(RemoteError, match=r"total\(\): function failed"):
        total("nothing")
    assert "numbers, please" in str(total.logs())
    assert total([1])["total"] == 1
    before = total.deployment
    total.deploy()
    assert total.deployment.image == before.image
    assert not total.deployment.changed


def test_lines_that_cannot_be(shell: InteractiveShell, capsys: Out) -> None:
    for line, said in (
        ("--runtime go", "name it: %%fn_deploy NAME --runtime go"),
        ("f --runtime go --base fn", "--base is for Python"),
        ("1f --runtime go", "begins with a digit"),
        ("f --run-image x", "are for a cell with --runtime"),
        ("f --runtime cobol", "runtime is 'cobol'"),
        ("f --runtime go --memory 0", "memory is 0"),
    ):
        shell.run_cell(f"%%fn_deploy {line}\npackage main\n")
        assert said in "".join(capsys.readouterr())

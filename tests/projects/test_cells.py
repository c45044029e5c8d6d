"""Cells in other languages as folders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import BadInput
from nbfn.projects.cells import Cell, files_of, write

if TYPE_CHECKING:
    from pathlib import Path


def test_go(tmp_path: Path) -> None:
    cell = Cell("greet", "go", "package main\n\nfunc main() {}", ("example.org/x@v1.2.3",), "tools", "small")
    function = write(cell, tmp_path / "f")
    assert (function.name, function.runtime, function.entrypoint) == ("greet", "go", "./func")
    assert (function.build_image, function.run_image) == ("tools", "small")
    lines = (tmp_path / "f" / "func.go").read_text().split("\n")
    assert lines[1:] == ["package main", "", "func main() {}", ""], "line 2 of the cell is line 2"
    assert lines[0].startswith("//")
    mod = (tmp_path / "f" / "go.mod").read_text()
    assert "require github.com/fnproject/fdk-go v" in mod
    assert "require example.org/x v1.2.3\n" in mod


def test_node_replaces_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "old.js").touch()
    write(Cell("greet", "node22", "fdk.handle()\n", ("lodash", "@a/b@^2", "c@1")), tmp_path / "f")
    assert {path.name for path in (tmp_path / "f").iterdir()} == {"func.yaml", "func.js", "package.json"}
    found = json.loads((tmp_path / "f" / "package.json").read_text())["dependencies"]
    assert {key: found[key] for key in ("lodash", "@a/b", "c")} == {"lodash": "*", "@a/b": "^2", "c": "1"}
    assert "@fnproject/fdk" in found
    assert "run_image: fnproject/node:22\n" in (tmp_path / "f" / "func.yaml").read_text()


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (Cell("f", "cobol", "x"), "runtime is 'cobol'"),
        (Cell("f", "java", "x"), "runtime is 'java'"),
        (
            Cell("f", "go1", "x"),
            "no version 1 of go here\n  → use one of: go1.24, go1.23;",
        ),
        (Cell("f", "node8", "x"), "runtime is 'node8', and there is no version 8 of node here"),
        (Cell("f", "golang", "x"), "→ a cell is in Python (no --runtime), or one of: go, node"),
        (Cell("f", "java8", "x"), "→ a cell is in Python (no --runtime), or one of: go, node"),
        (Cell("f", "go", " \n"), "the cell of 'f' is empty"),
        (Cell("f", "go", "x", ("example.org/x",)), "--requires has 'example.org/x'"),
        (Cell("f", "node", "x", ("lodash@",)), "--requires has 'lodash@'"),
    ],
)
def test_what_cannot_be(cell: Cell, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        files_of(cell)
    assert said in str(caught.value)

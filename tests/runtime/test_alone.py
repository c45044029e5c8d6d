"""The runtime stands alone: standard library only, and little of that before a call needs more."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nbfn.runtime
from tests.runtime.instance import lay_out

FILES = sorted(Path(nbfn.runtime.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_are_relative_or_of_the_standard_library(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path.name}:{node.lineno} leaves the package"
            continue
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        for module in modules:
            assert module.partition(".")[0] in {*sys.stdlib_module_names, "_typeshed"}, (
                f"{path.name}: {module}"
            )


def test_little_is_imported_at_start(state: Path) -> None:
    """Each of these costs more than all of the runtime."""
    lay_out(state, "")
    code = "import sys, nbfn_runtime.start; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", code],
        env={"PYTHONPATH": f"{state}/opt/nbfn"},
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {
        "re", "enum", "json", "socket", "selectors", "signal", "typing", "inspect", "dataclasses",
        "traceback", "pathlib", "email", "http.client", "asyncio", "pickle", "hashlib", "hmac", "logging",
        "contextlib", "datetime", "linecache", "subprocess", "threading", "collections",
    }  # fmt: skip
    assert not slow & set(done.stdout.split())

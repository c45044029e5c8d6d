"""The public names: all there, sorted, documented, and cheap until they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import nbfn


def fresh(script: str) -> Any:
    """What a new interpreter prints, read as JSON."""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)


def test_the_list_of_names_is_sorted_and_whole() -> None:
    assert nbfn.__all__ == sorted(nbfn.__all__)
    assert set(nbfn.__all__) <= set(dir(nbfn))
    public = {name for name, value in vars(nbfn).items() if getattr(value, "__module__", "") == "nbfn"}
    assert {name for name in public if not name.startswith("_")} <= set(nbfn.__all__)


@pytest.mark.parametrize("name", nbfn.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(nbfn, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'nbfn' has no attribute 'nothing'"):
        nbfn.nothing  # noqa: B018


@pytest.mark.parametrize("first", ["nbfn.function", "nbfn.deploy.fn", "nbfn.session", "nbfn.notebook"])
def test_the_functions_stay_whatever_module_is_imported_first(first: str) -> None:
    """``nbfn.deploy`` is a function and also the package of targets, which importlib would put there."""
    script = f"import json, {first}, nbfn; from nbfn import deploy; import nbfn.deploy.fn\n"
    script += (
        "print(json.dumps([type(nbfn.deploy).__name__, type(nbfn.function).__name__, deploy.__module__]))"
    )
    assert fresh(script) == ["function", "function", "nbfn.function"]


def test_importing_it_imports_nothing_that_only_a_call_needs() -> None:
    loaded = fresh("import json, sys, nbfn; print(json.dumps(sorted(sys.modules)))")
    heavy = {
        "IPython",
        "anyio",
        "asyncio",
        "cloudpickle",
        "httpx",
        "inspect",
        "ipywidgets",
        "starlette",
        "uvicorn",
    }
    assert not heavy & set(loaded)


def test_a_star_import_gives_the_list() -> None:
    names = fresh("import json; from nbfn import *; print(json.dumps(sorted(set(globals()) - {'json'})))")
    assert [name for name in names if not name.startswith("__")] == nbfn.__all__

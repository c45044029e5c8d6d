"""What the documentation says is true: links lead somewhere, commands, settings and names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = sorted(set(re.findall(r"\bNBFN_[A-Z_]+", (ROOT / "nbfn/config.py").read_text())))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_make_command_in_the_readme_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / "README.md").read_text(), re.M)) <= targets


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in (ROOT / "docs/settings.md").read_text()


def test_only_settings_that_exist_are_documented() -> None:
    assert (
        sorted(set(re.findall(r"^\| `(NBFN_\w+)`", (ROOT / "docs/settings.md").read_text(), re.M)))
        == SETTINGS
    )


def test_only_config_reads_the_environment() -> None:
    """Settings have one home; the runtime reads its container's environment, which is its input."""
    readers = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "nbfn").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        if isinstance(node.value, ast.Name) and node.value.id == "os"
        if not {"runtime", "confine"} & set(path.parts)  # they run as, and become, functions
    }
    assert readers <= {"nbfn/config.py"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_nbfn_path_named_in_a_page_exists(page: Path) -> None:
    paths = set(re.findall(r"`(nbfn/[\w/.]+)`", page.read_text()))
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []

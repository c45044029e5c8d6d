"""The Fn CLI's memory of where functions are invoked: what has changed is dropped from it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn.contexts import endpoints
from tests.commands.fnline import at_home, fn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHERE = "http://localhost:8080"


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        (found / ".fn").mkdir()
        yield found


def remembered(home: Path, *functions: tuple[str, str, str]) -> Path:
    """The Fn CLI's file, as it writes it, with these of a context, application and name."""
    entries = {}
    for context, app, name in functions:
        key = {
            "context": context, "provider": "default", "api_url": WHERE, "app_name": app, "fn_name": name
        }  # fmt: skip
        mark = hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).hexdigest()
        entries[mark] = {"key": key, "endpoint": f"{WHERE}/invoke/1", "cached_at": "2026-01-01T00:00:00Z"}
    path = home / ".fn" / "invoke-endpoint-cache.json"
    path.write_text(json.dumps({"version": 1, "entries": entries}, indent=2) + "\n")
    path.chmod(0o600)
    return path


def left(path: Path) -> list[str]:
    document = json.loads(path.read_text())
    assert document["version"] == 1
    assert path.stat().st_mode & 0o777 == 0o600
    return sorted(
        "/".join((x["key"]["context"], x["key"]["app_name"], x["key"]["fn_name"]))
        for x in document["entries"].values()
    )


def test_one_function_or_all_of_an_application(home: Path) -> None:
    path = remembered(home, ("c", "a", "f"), ("c", "a", "g"), ("c", "b", "f"), ("d", "a", "f"))
    whole = path.read_bytes()
    endpoints.forget("c", "a", "none")
    assert path.read_bytes() == whole
    endpoints.forget("c", "a", "f")
    assert left(path) == ["c/a/g", "c/b/f", "d/a/f"]
    endpoints.forget("c", "a")
    assert left(path) == ["c/b/f", "d/a/f"]
    for broken in ("", "{", "[]", '{"entries": {"x": 1}}', '{"entries": []}'):
        path.write_text(broken)
        endpoints.forget("c", "a", "f")
        assert path.read_text() == broken


def test_nothing_is_made_where_the_fn_cli_has_kept_nothing(home: Path) -> None:
    endpoints.forget("c", "a", "f")
    assert list((home / ".fn").iterdir()) == []


def test_what_is_deployed_changed_and_deleted(home: Path) -> None:
    all_of = [("default", "a", "j"), ("default", "b", "j")]
    fn("init", "--runtime", "python", "j")
    path = remembered(home, *all_of)
    assert fn("deploy", "--app", "a", "--create-app", "j").code == 0
    assert left(path) == ["default/b/j"]
    for line in (
        ("update", "function", "a", "j", "--timeout", "9"),
        ("delete", "function", "a", "j"),
        ("delete", "app", "a"),
    ):
        remembered(home, *all_of)
        assert fn(*line).code == 0
        assert left(path) == ["default/b/j"]
    remembered(home, *all_of)
    assert fn("update", "function", "a", "j", "--timeout", "9").code == 1
    assert left(path) == ["default/a/j", "default/b/j"]


def test_what_is_undeployed_from_python(home: Path) -> None:
    def j() -> None:
        """Nothing."""

    made = nbfn.deploy(j, app="a")
    path = remembered(home, ("default", "a", "j"), ("default", "b", "j"))
    assert made.undeploy()
    assert left(path) == ["default/b/j"]

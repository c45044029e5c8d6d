"""Another Fn server, by its address and token: everything but deploying what is built here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import local
from nbfn import session as sessions
from tests.commands.fnline import at_home, fn
from tests.commands.stock import TOKEN, Stock, stock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stock]:
    with at_home(tmp_path, state, monkeypatch), stock() as found:
        assert fn("create", "context", "there", "--api-url", found.url).code == 0
        assert fn("use", "context", "there").code == 0
        assert fn("update", "context", "token", TOKEN).code == 0
        yield found
        assert local.find(sessions.current().settings) is None, "no executor was started"


def test_objects_of_another_server(server: Stock) -> None:
    for number in range(7):
        assert fn("create", "app", f"app{number}", "--config", "A=1").code == 0
    assert len(json.loads(fn("list", "apps", "--output", "json").out)) == 7, "page after page"
    assert len(json.loads(fn("list", "apps", "-n", "4", "--output", "json").out)) == 4
    assert (
        fn("create", "function", "app0", "f", "reg/f:0.0.1", "--memory", "64", "--annotation", "k=[1]").code
        == 0
    )
    assert "has no tag" in fn("create", "function", "app0", "g", "reg/f").err
    assert "has no tag" in fn("update", "function", "app0", "f", "--image", "reg/f").err
    assert server.objects["fns"]["fns-1"]["annotations"] == {"k": [1]}
    assert fn("inspect", "f", "app0", "f", "annotations.k").out == "[\n  1\n]\n"
    assert json.loads(fn("invoke", "app0", "f", "--content-type", "text/x", body="hi").out) == {
        "got": "hi",
        "type": "text/x",
    }


def test_triggers(server: Stock) -> None:
    fn("create", "app", "a")
    fn("create", "function", "a", "f", "reg/f:1")
    done = fn("create", "trigger", "a", "f", "t", "--source", "/way", "--type", "http")
    assert done.out == f"Successfully created trigger: t\nTrigger Endpoint: {server.url}/t/a/way\n"
    (listed,) = json.loads(fn("list", "triggers", "a", "f", "--output", "json").out)
    assert (listed["function"], listed["name"], listed["source"]) == ("f", "t", "/way")
    assert "/t/a/way" in fn("ls", "t", "a").out
    assert fn("inspect", "trigger", "a", "f", "t", "source").out == '"/way"\n'
    assert fn("update", "trigger", "a", "f", "t", "--annotation", "x=1").code == 0
    assert server.objects["triggers"]["triggers-1"]["annotations"]["x"] == 1
    assert [each.url for each in nbfn.triggers("a")] == [f"{server.url}/t/a/way"]
    nbfn.create_trigger("a", "f", "u", source="/u")
    assert fn("delete", "trigger", "a", "f", "u").out == "a f u deleted\n"
    assert fn("inspect", "trigger", "a", "f", "u").code == 1
    assert fn("delete", "function", "a", "f").code == 0
    assert server.objects["triggers"] == server.objects["fns"] == {}
    assert "No triggers found for a" in fn("list", "triggers", "a").err
    assert fn("create", "trigger", "a", "f", "t").code == 2


def test_what_is_built_here_does_not_go_there(server: Stock) -> None:
    fn("init", "--runtime", "python", "f")
    done = fn("deploy", "--app", "a", "--create-app", "f")
    assert done.code == 1
    assert "cannot read it" in done.err
    assert server.objects["apps"] == {}, "nothing is made for it"


def test_another_token_is_refused_in_words(server: Stock) -> None:
    fn("update", "context", "token", "other")
    done = fn("list", "apps")
    assert done.code == 1
    assert "who are you? (401)" in done.err
    assert "other" not in done.err.replace("another", "")


def test_the_token_goes_nowhere_else(server: Stock) -> None:
    with stock() as elsewhere:
        done = fn("invoke", "--endpoint", f"{elsewhere.url}/invoke/x")
        assert done.code == 1
        assert "401" in done.err
        assert elsewhere.seen == []

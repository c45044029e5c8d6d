"""What the description says is taken is taken, and what it forbids is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nbfn.errors import TargetError
from nbfn.executor import accept
from nbfn.executor.fields import read_document
from nbfn.executor.objects import FN_ENDPOINT, App, Fn, Trigger
from nbfn.executor.taken import TAKEN
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = "2026-01-01T00:00:00.000Z"
APP, FN = App("A", "shop"), Fn("F", "greet", "A", "it:1")
TRIGGER = Trigger("T", "way", "A", "F", source="/x")

# Whole documents, and what becomes of each.
KINDS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], object]]] = {
    "NewApp": ({"name": "shop"}, lambda told: accept.new_app(told, "A", NOW)),
    "AppChange": ({}, lambda told: accept.changed_app(APP, told, NOW)),
    "NewFn": ({"name": "f", "app_id": "A", "image": "i"}, lambda told: accept.new_fn(told, "F", NOW)),
    "FnChange": ({}, lambda told: accept.changed_fn(FN, told, NOW)),
    "NewTrigger": (
        {"name": "t", "app_id": "A", "fn_id": "F", "type": "http", "source": "/"},
        lambda told: accept.new_trigger(told, "T", NOW),
    ),
    "TriggerChange": ({}, lambda told: accept.changed_trigger(TRIGGER, told, NOW)),
}
# What no schema can say, or not in every dialect: bytes, the object that is changed, what a URL is.
_BEYOND = (
    "255 characters or less|larger than 512 bytes|invalid syslog url|in path does not match|name is immutable"
    "|the minimum may not be above the maximum|maximum permitted number"
)

_texts = st.sampled_from(
    ["", "a", "A", "F", "T", "a b", "a/b", "ä-1_", "é" * 128, "x" * 255, "x" * 256, "f.~$&+:=@", "/a", "http",
     "\x7f", "\0", "udp://h", "ftp://h", "GENERIC_ARM", "greet", "way", "shop"]
)  # fmt: skip
_odd = st.sampled_from(
    [None, True, -1, 0, 1, 101, 301, 3601, 8192, 8193, 10**30, 1.5, [], ["a"], {}, {"a": 1}]
)
_keys = st.sampled_from(
    ["", "a", "a=b", "a\0", "a b", "ä", "k" * 128, "k" * 129, FN_ENDPOINT, MIN_ANNOTATION, MAX_ANNOTATION]
)
_values = _texts | _odd | st.sampled_from(["x" * 600, 2000])
_maps = st.dictionaries(_keys, _values, max_size=3)
_FIELDS = (
    "id", "name", "app_id", "fn_id", "image", "type", "source", "memory", "timeout", "idle_timeout", "config",
    "annotations", "syslog_url", "shape", "created_at", "unknown",
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """``whole`` with some fields set, left out or put in."""
    document = dict(whole)
    for name in draw(st.lists(st.sampled_from(_FIELDS), max_size=3, unique=True)):
        if draw(st.booleans()) and name in document:
            del document[name]
        else:
            document[name] = draw(_maps if name in ("config", "annotations") else _values)
    return document


def why_refused(kind: str, document: dict[str, Any]) -> str:
    """Empty if it is taken."""
    try:
        KINDS[kind][1](dict(read_document(json.dumps(document).encode())))
    except TargetError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
@hypothesis_settings(max_examples=200)
@given(st.data())
def test_a_document_is_taken_if_and_only_if_the_description_allows_it(kind: str, data: st.DataObject) -> None:
    document = data.draw(documents(KINDS[kind][0]))
    allowed = jsonschema.Draft202012Validator(TAKEN[kind]).is_valid(document)
    refused = why_refused(kind, document)
    if not allowed:
        assert refused, "the description forbids it"
    elif refused:
        assert re.search(_BEYOND, refused), refused


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_annotations_are_the_most(kind: str) -> None:
    def with_annotations(count: int) -> dict[str, Any]:
        return {**KINDS[kind][0], "annotations": {str(number): 1 for number in range(count)}}

    assert why_refused(kind, with_annotations(100)) == ""
    assert "maximum permitted number" in why_refused(kind, with_annotations(101))
    forbidden = not jsonschema.Draft202012Validator(TAKEN[kind]).is_valid(with_annotations(103))
    assert forbidden == kind.startswith("New")

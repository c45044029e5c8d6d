"""Fields of the documents that clients send, read as Fn reads them. Pure, with Fn's own messages.

Raises (each function): TargetError (400).
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

from nbfn.errors import TargetError
from nbfn.executor.objects import FN_ENDPOINT, TRIGGER_ENDPOINT
from nbfn.executor.syslogline import Destination

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.executor.objects import App, Document, Fn, Trigger

MAX_ANNOTATIONS = 100
MAX_ANNOTATION_KEY_BYTES, MAX_ANNOTATION_VALUE_BYTES = 128, 512
ANNOTATION_KEY = r"[!-~]+"
SHAPES = ("", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM")
APP_NAME = r"[\w-]+"
"""Also of a trigger's name."""


def read_document(body: bytes) -> Document:
    """The JSON object in ``body``."""
    try:
        document = json.loads(body.decode())  # of bytes, Python would take other encodings, too
        # What Python reads beyond JSON, and text that no encoding can hold, must not come out again.
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise invalid_json() from None
    if not isinstance(document, dict):
        raise invalid_json()
    return document


def refused(message: str) -> TargetError:
    """Fn's answer to a document that it does not take."""
    return TargetError(message, status=400)


def invalid_json() -> TargetError:
    """Also for a value of another type than it has to be: Go reads JSON into fields."""
    return refused("Invalid JSON")


def text(document: Document, key: str) -> str:
    """A text; empty if it is absent or null."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid_json()
    return value


def check_texts(document: Document, kind: type[App | Fn | Trigger]) -> None:
    """Also of those that are passed over: Go reads all fields of a document before any is looked at."""
    for each in dataclasses.fields(kind):
        if each.type == "str":
            text(document, each.name)


def number(document: Document, key: str) -> int:
    """A whole number; 0 if it is absent or null."""
    value = document.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid_json()
    return value


def mapping(document: Document, key: str) -> Mapping[str, object]:
    """An object; empty if it is absent or null."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid_json()
    return value


def merged_config(old: Mapping[str, str], document: Document) -> dict[str, str]:
    """``old`` with what ``document`` sets, and without what it gives an empty value."""
    merged = dict(old)
    for key, value in mapping(document, "config").items():
        if value is not None and not isinstance(value, str):
            raise invalid_json()
        if not key or "=" in key or "\0" in key + (value or ""):
            raise refused(f"Invalid config key or value: no environment can hold {key!r}")
        if not value:  # Go reads null as "", and "" removes the key
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def merged_annotations(
    old: Mapping[str, object], document: Document, *, creating: bool = False
) -> dict[str, object]:
    """``old`` with what ``document`` sets, and without what it gives an empty value."""
    merged = dict(old)
    for key, value in mapping(document, "annotations").items():
        if key in (FN_ENDPOINT, TRIGGER_ENDPOINT):
            continue  # the CLI sends back what it read; these are said anew at every read
        if not re.fullmatch(ANNOTATION_KEY, key):
            raise refused(
                "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace"
            )
        if len(key) > MAX_ANNOTATION_KEY_BYTES:
            raise refused("Invalid annotation key length, annotation keys may not be larger than 128 bytes")
        if value is None or value == "":
            if creating:
                raise refused(
                    "Invalid annotation value, annotation values may only be non-empty strings, "
                    "numbers, objects, or arrays"
                )
            merged.pop(key, None)
            continue
        compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        if len(compact.encode()) > MAX_ANNOTATION_VALUE_BYTES:
            raise refused(
                "Invalid annotation value length, annotation values may not be larger than 512 bytes "
                "when serialized as JSON"
            )
        merged[key] = value
    if len(merged) > MAX_ANNOTATIONS and len(merged) > len(old):
        raise refused(
            "Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)"
        )
    return merged


def syslog_url(document: Document) -> str:
    """Where an application's logs go; empty for nowhere."""
    url = text(document, "syslog_url").strip()
    try:
        if url:
            Destination.parse(url)
    except ValueError as error:
        raise refused(f'invalid syslog url: "{url}" {error}') from None
    return url

"""What documents the control plane takes, as JSON Schema: no more and no less than ``accept`` and ``fields``.

``tests/executor/test_taken.py`` holds the two together. What a schema cannot say (lengths in bytes, the 100
annotations of an object that is changed, whether a syslog's URL is one) is in the descriptions.
"""

from __future__ import annotations

from typing import Any

from nbfn.executor.accept import TRIGGER_TYPES
from nbfn.executor.fields import (
    ANNOTATION_KEY,
    MAX_ANNOTATION_KEY_BYTES,
    MAX_ANNOTATION_VALUE_BYTES,
    MAX_ANNOTATIONS,
    SHAPES,
)
from nbfn.executor.objects import FN_ENDPOINT, TRIGGER_ENDPOINT
from nbfn.executor.syslogline import SCHEMES
from nbfn.scale import MAX_ANNOTATION, MAX_INSTANCES, MIN_ANNOTATION, MIN_INSTANCES
from nbfn.spec import IDLE_TIMEOUT_S, MEMORY_MB, NAME_MAX_BYTES, TIMEOUT_S

Schema = dict[str, Any]

_ENDPOINTS = (FN_ENDPOINT, TRIGGER_ENDPOINT)

_TEXT: Schema = {"type": ["string", "null"]}
_NEEDED: Schema = {"type": "string", "minLength": 1}
_NONE: Schema = {"enum": ["", None], "description": "the server gives it"}
_NAME: Schema = {
    **_NEEDED,
    "maxLength": NAME_MAX_BYTES,
    # Dialects of regular expressions differ in what a letter is; what no name has of ASCII is the same in all
    "pattern": r"^[^\x00-,./:-@\[-^`{-\x7f]+$",
    "description": f"letters, digits, '_' and '-' of any script, {NAME_MAX_BYTES} bytes at most",
}
_FN_NAME: Schema = {**_NEEDED, "maxLength": NAME_MAX_BYTES, "pattern": r"^[A-Za-z0-9_.~$&+:=@-]+$"}
_SOURCE: Schema = {"type": "string", "pattern": "^/"}
_SYSLOG: Schema = {
    **_TEXT,
    "description": f"of the schemes {', '.join(SCHEMES)}; empty for none, null changes nothing",
}
_CONFIG: Schema = {
    "type": ["object", "null"],
    "propertyNames": {"pattern": r"^[^=\x00]+$"},
    "additionalProperties": {"type": ["string", "null"], "pattern": r"^[^\x00]*$"},
    "description": "merged into what there is; an empty value or null removes its key",
}


def _whole(allowed: range) -> Schema:
    return {
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": allowed[-1],
        "description": "0 is the default, or what there is",
    }


_LIMITS = {
    "memory": _whole(MEMORY_MB),
    "timeout": _whole(TIMEOUT_S),
    "idle_timeout": _whole(IDLE_TIMEOUT_S),
}
_SCALE = {MIN_ANNOTATION: MIN_INSTANCES, MAX_ANNOTATION: MAX_INSTANCES}


def _annotations(*, creating: bool, of_fn: bool = False) -> Schema:
    known: Schema = dict.fromkeys(_ENDPOINTS, True)
    if of_fn:
        removal = [] if creating else [{"enum": ["", None]}]
        for name, allowed in _SCALE.items():
            number = {"type": "integer", "minimum": allowed[0], "maximum": allowed[-1]}
            known[name] = {"anyOf": [number, *removal]} if removal else number
    found: Schema = {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{ANNOTATION_KEY}$", "maxLength": MAX_ANNOTATION_KEY_BYTES},
        "properties": known,
        "description": f"a value has {MAX_ANNOTATION_VALUE_BYTES} bytes at most; endpoints are passed over",
    }
    if creating:
        found["additionalProperties"] = {"not": {"enum": ["", None]}}
        found["maxProperties"] = MAX_ANNOTATIONS + len(_ENDPOINTS)
    else:
        found["description"] += f"; merged, {MAX_ANNOTATIONS} at most; an empty text or null removes its key"
    return found


def _document(*required: str, **fields: Schema) -> Schema:
    times = {"created_at": _TEXT, "updated_at": _TEXT}  # clients send them back, and they are passed over
    found: Schema = {"type": "object", "properties": {**fields, **times}}
    return {**found, "required": list(required)} if required else found


def _optional(schema: Schema) -> Schema:
    """Or nothing, which changes nothing."""
    return {"anyOf": [schema, {"enum": ["", None]}]}


TAKEN: dict[str, Schema] = {
    "NewApp": _document(
        "name", id=_NONE, name=_NAME, config=_CONFIG, annotations=_annotations(creating=True),
        syslog_url=_SYSLOG, shape={"enum": [*SHAPES, None]},
    ),
    "AppChange": _document(
        id=_TEXT, name=_TEXT, config=_CONFIG, annotations=_annotations(creating=False),
        syslog_url=_SYSLOG, shape=_TEXT,
    ),
    "NewFn": _document(
        "name", "app_id", "image", id=_NONE, name=_FN_NAME, app_id=_NEEDED, image=_NEEDED, **_LIMITS,
        config=_CONFIG, annotations=_annotations(creating=True, of_fn=True), shape=_TEXT,
    ),
    "FnChange": _document(
        id=_TEXT, name=_TEXT, app_id=_TEXT, image=_TEXT, **_LIMITS,
        config=_CONFIG, annotations=_annotations(creating=False, of_fn=True), shape=_TEXT,
    ),
    "NewTrigger": _document(
        "name", "app_id", "fn_id", "type", "source", id=_NONE, name=_NAME, app_id=_NEEDED, fn_id=_NEEDED,
        type={"enum": list(TRIGGER_TYPES)}, source=_SOURCE, annotations=_annotations(creating=True),
    ),
    "TriggerChange": _document(
        id=_TEXT, name=_optional(_NAME), app_id=_TEXT, fn_id=_TEXT, type=_TEXT, source=_optional(_SOURCE),
        annotations=_annotations(creating=False),
    ),
    "Rollback": {
        "type": "object",
        "properties": {"revision": {"type": "integer", "minimum": 1}},
        "required": ["revision"],
    },
}  # fmt: skip

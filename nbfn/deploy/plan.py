"""What to ask of a Fn server so that it holds what is wanted: decided without asking anything.

A ``PUT`` of Fn's merges: a field that is absent or zero stays as it is, and a configuration key is deleted
by giving it an empty value. So an update carries the differences alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.spec import FunctionSpec, ImageRef

FINGERPRINT_ANNOTATION = "nbfn.org/fingerprint"
DIGEST_ANNOTATION = "nbfn.org/digest"
ENDPOINT_ANNOTATION = "fnproject.io/fn/invokeEndpoint"

_SCALE = (MIN_ANNOTATION, MAX_ANNOTATION)
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A function as the target should hold it, in Fn's own field names where it has any."""

    app: str
    name: str
    image: str
    memory: int
    timeout: int
    idle_timeout: int
    config: Mapping[str, str]
    annotations: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CreateApp:
    """``POST /v2/apps``."""

    name: str


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """``POST /v2/fns``, with the application's id added. The body holds the key: it has no repr."""

    body: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpdateFunction:
    """``PUT /v2/fns/:fn_id`` with what differs."""

    fn_id: str
    body: Mapping[str, Any] = field(repr=False)


Step = CreateApp | CreateFunction | UpdateFunction


def wanted(spec: FunctionSpec, image: ImageRef, fingerprint: str) -> Wanted:
    """What ``spec`` asks for, once its image is built.

    Raises:
        BadInput: a configuration key that cannot be kept: without a value, or the one nbfn uses itself.
    """
    for key, value in spec.config.items():
        if key == KEY_VARIABLE:
            raise BadInput(f"config has {KEY_VARIABLE}, which nbfn sets itself", hint="use another name")
        if not key or not value:
            raise BadInput(
                f"config[{key!r}] is {value!r}",
                hint="give it a value, or leave it out: Fn deletes a key that has an empty one",
            )
    return Wanted(
        app=spec.app,
        name=spec.name,
        image=str(image),
        memory=spec.limits.memory_mb,
        timeout=spec.limits.timeout_s,
        idle_timeout=spec.limits.idle_timeout_s,
        config=dict(spec.config),
        annotations={
            FINGERPRINT_ANNOTATION: fingerprint,
            DIGEST_ANNOTATION: image.digest,
            **spec.scale.annotations(),
        },
    )


def plan(
    app: Mapping[str, Any] | None, fn: Mapping[str, Any] | None, want: Wanted, fresh_key: str
) -> tuple[Step, ...]:
    """The steps from what the server holds (objects as Fn sends them, None if absent) to ``want``.

    Nothing is left to do after they are taken: planning again gives no step. A key that the function
    has stays, so that a kernel which deployed it earlier can go on calling; else it gets ``fresh_key``.
    """
    if fn is None:
        create = CreateFunction(
            {
                "name": want.name,
                "image": want.image,
                "memory": want.memory,
                "timeout": want.timeout,
                "idle_timeout": want.idle_timeout,
                "config": {**want.config, KEY_VARIABLE: fresh_key},
                "annotations": dict(want.annotations),
            }
        )
        return (create,) if app else (CreateApp(want.app), create)
    body = _differences(fn, want, fresh_key)
    return (UpdateFunction(fn["id"], body),) if body else ()


def key_of(fn: Mapping[str, Any]) -> str:
    """The function's key in hex, or an empty string if it has none that is fit to use."""
    key = (fn.get("config") or {}).get(KEY_VARIABLE, "")
    return key if isinstance(key, str) and _KEY.fullmatch(key) else ""


def _differences(fn: Mapping[str, Any], want: Wanted, fresh_key: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        name: getattr(want, name)
        for name in ("image", "memory", "timeout", "idle_timeout")
        if fn.get(name) != getattr(want, name)
    }
    has: Mapping[str, str] = fn.get("config") or {}
    config = {**want.config, KEY_VARIABLE: key_of(fn) or fresh_key}
    changes = {key: value for key, value in config.items() if has.get(key) != value}
    changes |= {key: "" for key in has if key not in config}
    if changes:
        body["config"] = changes
    notes: Mapping[str, Any] = fn.get("annotations") or {}
    new_notes = {key: value for key, value in want.annotations.items() if notes.get(key) != value}
    new_notes |= {key: "" for key in _SCALE if key in notes and key not in want.annotations}
    if new_notes:
        body["annotations"] = new_notes
    return body

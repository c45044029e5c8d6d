"""``--from-json``: what a command is told in one JSON object, by OCI's names. What the line says wins.

Its text is JSON, or ``file://PATH``. Values that only OCI has are objects of the same kind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nbfn.commands.edge import Edge
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Command = Callable[..., Any]
    Read = Callable[[str, Any], Any]

T = TypeVar("T")


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object, or ``file://PATH`` of one."""

    name = "json|file://path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        text, where = str(value).strip(), "it"
        if text.startswith("file://"):
            where = text.removeprefix("file://")
            try:
                text = Path(where).read_text("utf-8")
            except (OSError, ValueError) as error:
                self.fail(f"{where} cannot be read: {getattr(error, 'strerror', '') or error}", param, ctx)
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            self.fail(
                f"{where} is no JSON: line {error.lineno}, column {error.colno}: {error.msg}", param, ctx
            )
        if not isinstance(found, dict):
            self.fail(f"{where} is {_short(found)}, and no JSON object", param, ctx)
        return found


def _text(name: str, value: Any) -> str:
    return _of(name, value, str, "a text").strip()


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool):
        raise _wrong(name, value, "a whole number")
    return _of(name, value, int, "a whole number")


def _object(name: str, value: Any) -> dict[str, Any]:
    return _of(name, value, dict, "an object")


def _texts(name: str, value: Any) -> list[str]:
    found = _of(name, value, list, "a list of texts")
    return [_of(name, each, str, "a list of texts").strip() for each in found]


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    found = _of(name, value, dict, "an object of texts")
    return [(key, _of(f"{name}.{key}", each, str, "a text")) for key, each in found.items()]


def _defined(name: str, value: Any) -> list[tuple[str, Any]]:
    found = _object(name, value)
    return [
        (f"{space}.{key}", each)
        for space, tags in found.items()
        for key, each in _object(f"{name}.{space}", tags).items()
    ]


def _provisioned(name: str, value: Any) -> str:
    found = _object(name, value)
    strategy = _text(f"{name}.strategy", found.get("strategy", "")).lower()
    return f"constant:{_number(f'{name}.count', found.get('count'))}" if strategy == "constant" else strategy


_TERMS: Mapping[str, tuple[str, Read]] = {
    "ifMatch": ("if_match", _text),
    "waitForState": ("wait_for_state", _text),
    "maxWaitSeconds": ("max_wait_seconds", _number),
    "waitIntervalSeconds": ("wait_interval_seconds", _number),
}
_BOTH: Mapping[str, tuple[str, Read]] = {
    "config": ("config", _pairs),
    "freeformTags": ("tags", _pairs),
    "definedTags": ("defined_tags", _defined),
    "traceConfig": ("trace_config", _object),
    **_TERMS,
}
REMOVAL = _TERMS
MOVE = {"compartmentId": ("compartment_id", _text), **_TERMS}
APP_CHANGE: Mapping[str, tuple[str, Read]] = {
    **_BOTH,
    "displayName": ("app", _text),
    "syslogUrl": ("syslog_url", _text),
    "subnetIds": ("subnet_ids", _texts),
    "networkSecurityGroupIds": ("network_security_group_ids", _texts),
    "imagePolicyConfig": ("image_policy_config", _object),
    "securityAttributes": ("security_attributes", _object),
}
APP = {**APP_CHANGE, "shape": ("shape", _text)}
FUNCTION = {
    **_BOTH,
    "displayName": ("function", _text),
    "image": ("image", _text),
    "memoryInMBs": ("memory", _number),
    "timeoutInSeconds": ("timeout", _number),
    "detachedModeTimeoutInSeconds": ("detached_timeout", lambda name, value: str(_number(name, value))),
    "provisionedConcurrencyConfig": ("provisioned_concurrency", _provisioned),
    "successDestination": ("success_destination", _object),
    "failureDestination": ("failure_destination", _object),
}
LIST = {
    "displayName": ("display_name", _text),
    "id": ("object_id", _text),
    "lifecycleState": ("lifecycle_state", _text),
    "sortBy": ("sort_by", _text),
    "sortOrder": ("sort_order", _text),
}


def from_json(fields: Mapping[str, tuple[str, Read]]) -> Callable[[Command], Command]:
    """Give a command ``--from-json`` of an object with these ``fields``."""

    def take(ctx: click.Context, _: click.Parameter, told: dict[str, Any] | None) -> None:
        if told is None or ctx.resilient_parsing:
            return
        known = {name: value for name, value in told.items() if name in fields}
        if strange := sorted(set(told) - set(known)):
            ctx.ensure_object(Edge).show.note(
                f"--from-json: {', '.join(strange)}: nothing that `{ctx.command_path}` takes; left out"
            )
        given = {
            fields[name][0]: fields[name][1](name, value)
            for name, value in known.items()
            if value is not None
        }
        ctx.default_map = given

    return click.option(
        "--from-json",
        type=JsonObject(),
        is_eager=True,
        expose_value=False,
        callback=take,
        metavar="JSON|file://PATH",
        help=f"What is not said otherwise: {', '.join(sorted(fields))}.",
    )


def _of(name: str, value: Any, kind: type[T], said: str) -> T:
    if not isinstance(value, kind):
        raise _wrong(name, value, said)
    return value


def _wrong(name: str, value: Any, said: str) -> BadInput:
    return BadInput(f"--from-json: {name} is {_short(value)}", hint=f"give {said}")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:39]}…"

"""The options that the Fn CLI has for OCI Functions: tags, provisioned concurrency, detached mode.

What they say becomes the annotations of its Oracle provider, and in ``func.yaml`` its ``deploy.oci``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nbfn.commands.fromjson import JsonObject
from nbfn.commands.grammar import Pair
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbfn.commands.edge import Edge

    Command = Callable[..., Any]

_PREFIX = "oracle.com/oci/"
_SUBNETS = f"{_PREFIX}subnetIds"
_FREEFORM, _DEFINED = f"{_PREFIX}freeformTags", f"{_PREFIX}definedTags"
_TIMEOUT = f"{_PREFIX}detachedModeTimeoutInSeconds"
_ENDS = {"on_success": f"{_PREFIX}successDestination", "on_failure": f"{_PREFIX}failureDestination"}
# What goes to OCI as it is.
_PASSED_ON = {
    name: f"{_PREFIX}parity/{note}"
    for name, note in {
        "network_security_group_ids": "networkSecurityGroupIds",
        "image_policy_config": "imagePolicyConfig",
        "security_attributes": "securityAttributes",
        "trace_config": "traceConfig",
    }.items()
}
_OCIDS = ("streamId", "queueId", "topicId")
_KINDS = {
    "stream": "stream",
    "queue": "queue",
    "notification": "notifications",
    "notifications": "notifications",
}


class DefinedTag(Pair):
    """``NAMESPACE.KEY=VALUE``; a value that is a JSON object or list stays one."""

    name = "namespace.key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, text = value if isinstance(value, tuple) else super().convert(value, param, ctx)
        _check_defined(self, name, param, ctx)
        if isinstance(text, str) and text[:1] in "{[":
            try:
                return name, json.loads(text)
            except ValueError:
                pass
        return name, text


class DefinedName(click.ParamType[str]):
    """``NAMESPACE.KEY``."""

    name = "namespace.key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        _check_defined(self, str(value), param, ctx)
        return str(value)


class Provisioned(click.ParamType[int]):
    """``none`` (0) or ``constant:COUNT``."""

    name = "none|constant:count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        kind, _, count = str(value).lower().partition(":")
        if kind == "none" and not count:
            return 0
        if kind == "constant" and count.isascii() and count.isdecimal() and int(count):
            return int(count)
        return self.fail(f"{value!r} is neither 'none' nor 'constant:COUNT'", param, ctx)


class Destination(click.ParamType[tuple[str, str]]):
    """``stream:OCID``, ``queue:OCID`` or ``notifications:OCID``."""

    name = "kind:ocid"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        kind, _, ocid = str(value).partition(":")
        known = _KINDS.get(kind.strip().lower())
        if known is None or not ocid.strip():
            self.fail(f"{value!r} is not stream:OCID, queue:OCID or notifications:OCID", param, ctx)
        return known, ocid.strip()


def tag_options(command: Command) -> Command:
    """``--tag``, ``--defined-tag``."""
    return _with(
        command,
        click.option(
            "--tag", "tags", type=Pair(), multiple=True, metavar="KEY=VALUE", help="Tag (OCI); repeatable."
        ),
        click.option(
            "--defined-tag",
            "defined_tags",
            type=DefinedTag(),
            multiple=True,
            metavar="NAMESPACE.KEY=VALUE",
            help="Defined tag (OCI); repeatable.",
        ),
    )


def untag_options(command: Command) -> Command:
    """``--remove-tag``, ``--remove-defined-tag``, ``--clear-…``."""
    return _with(
        command,
        click.option("--remove-tag", "remove_tags", multiple=True, metavar="KEY", help="Remove a tag (OCI)."),
        click.option(
            "--remove-defined-tag",
            "remove_defined_tags",
            type=DefinedName(),
            multiple=True,
            metavar="NAMESPACE.KEY",
            help="Remove a defined tag (OCI).",
        ),
        click.option("--clear-tags", is_flag=True, help="Remove all tags (OCI)."),
        click.option("--clear-freeform-tags", is_flag=True, help="Remove all tags but defined ones (OCI)."),
        click.option("--clear-defined-tags", is_flag=True, help="Remove all defined tags (OCI)."),
    )


def mode_options(command: Command) -> Command:
    """``--provisioned-concurrency``, ``--detached-timeout``, ``--on-success``, ``--on-failure``."""
    return _with(
        command,
        click.option(
            "--provisioned-concurrency",
            type=Provisioned(),
            metavar="none|constant:COUNT",
            help="Kept ready (OCI).",
        ),
        click.option(
            "--detached-timeout",
            "--detached-mode-timeout-in-seconds",
            "detached_timeout",
            metavar="TIME",
            help="What a detached call may take, like 20m (OCI).",
        ),
        click.option(
            "--on-success", type=Destination(), metavar="KIND:OCID", help="Told of detached calls (OCI)."
        ),
        click.option("--on-failure", type=Destination(), metavar="KIND:OCID", help="Told of failures (OCI)."),
    )


def end_options(command: Command) -> Command:
    """``--clear-on-success``, ``--clear-on-failure``."""
    return _with(
        command,
        click.option("--clear-on-success", is_flag=True, help="Tell nobody of detached calls (OCI)."),
        click.option("--clear-on-failure", is_flag=True, help="Tell nobody of failures (OCI)."),
    )


def trace_option(command: Command) -> Command:
    """``--trace-config``."""
    return click.option(
        "--trace-config", type=JsonObject(), metavar="JSON", help='Tracing (OCI): {"isEnabled": true}.'
    )(command)


def app_options(command: Command) -> Command:
    """``--network-security-group-ids``, ``--image-policy-config``, ``--security-attributes``,
    ``--trace-config``."""
    return _with(
        trace_option(command),
        click.option(
            "--network-security-group-ids",
            multiple=True,
            metavar="OCID",
            help="Its groups (OCI); repeatable.",
        ),
        click.option(
            "--image-policy-config",
            type=JsonObject(),
            metavar="JSON",
            help='Whose images it takes (OCI): {"isPolicyEnabled": true, "keyDetails": [{"kmsKeyId": "…"}]}.',
        ),
        click.option(
            "--security-attributes",
            type=JsonObject(),
            metavar="JSON",
            help='For packet routing (OCI): {"NAMESPACE": {"KEY": {"value": "…", "mode": "enforce"}}}.',
        ),
    )


def destination_options(command: Command) -> Command:
    """``--success-destination``, ``--failure-destination``, ``--trace-config``."""
    return _with(
        trace_option(command),
        click.option(
            "--success-destination",
            type=JsonObject(),
            metavar="JSON",
            help='--on-success in OCI\'s words: {"kind": "STREAM", "streamId": "…"}.',
        ),
        click.option(
            "--failure-destination", type=JsonObject(), metavar="JSON", help="The same for --on-failure."
        ),
    )


def left_out(edge: Edge, names: Iterable[str]) -> None:
    """Say that these options are for OCI alone."""
    edge.show.note(f"{', '.join(map(_spelt, names))}: only OCI Functions has that; left out")


def notes_for(
    edge: Edge, told: Mapping[str, Any], held: Callable[[], Mapping[str, Any]] | None = None
) -> Any:
    """The annotations that the options in ``told`` stand for; ``held`` gives those that there are.

    Another server than OCI has no use for them: that is said, and they are left out.

    Raises:
        BadInput: they contradict each other, or a time cannot be.
    """
    given = {name: value for name, value in told.items() if _is_given(value)}
    if not given:
        return {}
    if not edge.session.context.is_oracle:
        left_out(edge, sorted(given))
        return {}
    found = held() if held and _asks_for_held(given) else {}
    return told_as_notes(given, found)


def told_as_notes(given: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations after what is ``given``, where those before it were ``held``. Pure; raises BadInput."""
    notes: dict[str, Any] = {}
    if given.get("subnet_ids"):
        notes[_SUBNETS] = list(given["subnet_ids"])
    count = given.get("provisioned_concurrency")
    if count is not None:
        notes[f"{_PREFIX}provisionedConcurrencyStrategy"] = "CONSTANT" if count else "NONE"
        notes |= {f"{_PREFIX}provisionedConcurrencyCount": count} if count else {}
    if given.get("detached_timeout"):
        notes[_TIMEOUT] = _detached_s(given["detached_timeout"])
    notes |= {note: given[name] for name, note in _PASSED_ON.items() if _is_given(given.get(name))}
    if given.get("network_security_group_ids"):
        notes[_PASSED_ON["network_security_group_ids"]] = list(given["network_security_group_ids"])
    for name, note in _ENDS.items():
        ways = (name, f"{name.removeprefix('on_')}_destination", f"clear_{name}")
        if len(told := [_spelt(each) for each in ways if _is_given(given.get(each))]) > 1:
            raise BadInput(f"{' and '.join(told)} contradict each other")
        if given.get(ways[1]) is not None:
            notes |= _end(note, given[ways[1]])
        if given.get(name):
            kind, ocid = given[name]
            notes |= {f"{note}Kind": kind.upper(), f"{note}Ocid": ocid}
        elif given.get(f"clear_{name}"):
            notes[f"{note}Kind"] = "NONE"
    return {**notes, **_freeform(given, held), **_defined(given, held)}


def _end(note: str, told: Mapping[str, Any]) -> dict[str, str]:
    """A destination in OCI's words, in those of the annotations, which are looked at later."""
    ocid = next((told[each] for each in _OCIDS if each in told), "")
    return {
        f"{note}Kind": str(told.get("kind", "")).upper(),
        **({f"{note}Ocid": str(ocid)} if ocid else {}),
        **({f"{note}ChannelId": str(told["channelId"])} if told.get("channelId") else {}),
    }


def for_file(told: Mapping[str, Any]) -> dict[str, Any]:
    """``deploy.oci`` of a ``func.yaml`` for what the options say. Raises BadInput for a bad time."""
    count, timeout = told.get("provisioned_concurrency"), told.get("detached_timeout")
    detached: dict[str, Any] = {}
    if timeout:
        _detached_s(timeout)
        detached["timeout"] = timeout
    for name in _ENDS:
        if told.get(name):
            kind, ocid = told[name]
            detached[name] = {"type": kind, "ocid": ocid}
    spaces: dict[str, dict[str, Any]] = {}
    for name, value in told.get("defined_tags") or ():
        space, _, key = name.partition(".")
        spaces.setdefault(space, {})[key] = value
    found = {
        "provisioned_concurrency": {}
        if count is None
        else {"strategy": "CONSTANT", "count": count}
        if count
        else {"strategy": "NONE"},
        "detached_mode": detached,
        "freeform_tags": dict(told.get("tags") or ()),
        "defined_tags": spaces,
    }
    return {key: value for key, value in found.items() if value}


def _is_given(value: object) -> bool:
    """No units of provisioned concurrency, 0, are something to say, and so is an empty object."""
    return bool(value) or isinstance(value, dict) or (value == 0 and value is not False)


def _asks_for_held(given: Mapping[str, Any]) -> bool:
    return any("tag" in name for name in given)


def _freeform(given: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    before = dict(held.get(_FREEFORM) or {})
    cleared = given.get("clear_tags") or given.get("clear_freeform_tags")
    kept = {} if cleared else {k: v for k, v in before.items() if k not in given.get("remove_tags", ())}
    after = {**kept, **dict(given.get("tags", ()))}
    return {_FREEFORM: after} if after != before else {}


def _defined(given: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Namespaces that are not named stay as they are."""
    before: dict[str, dict[str, Any]] = {
        space: dict(tags) for space, tags in (held.get(_DEFINED) or {}).items()
    }
    cleared = given.get("clear_tags") or given.get("clear_defined_tags")
    after = {space: {} if cleared else dict(tags) for space, tags in before.items()}
    for name in given.get("remove_defined_tags", ()):
        space, _, key = name.partition(".")
        after.get(space, {}).pop(key, None)
    for name, value in given.get("defined_tags", ()):
        space, _, key = name.partition(".")
        after.setdefault(space, {})[key] = value
    changed = {space: tags for space, tags in after.items() if tags != before.get(space)}
    return {_DEFINED: changed} if changed else {}


def _detached_s(text: str) -> int:
    from nbfn.projects.durations import whole_seconds

    return whole_seconds(text, "--detached-timeout")


def _spelt(name: str) -> str:
    singular = {"tags": "tag", "defined_tags": "defined_tag", "subnet_ids": "subnet_id"}
    plain = singular.get(name, name)
    if plain.startswith("remove_"):
        plain = plain.removesuffix("s")
    return f"--{plain.replace('_', '-')}"


def _check_defined(
    kind: click.ParamType[Any], name: str, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    space, dot, key = name.partition(".")
    if not (space and dot and key):
        kind.fail(f"{name!r} is not NAMESPACE.KEY", param, ctx)


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command

"""What OCI has beyond Fn, under the names of the Fn CLI's Oracle provider: annotations. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbfn.deploy.oci.limits import Destination, Extras
from nbfn.deploy.oci.plan import FINGERPRINT_TAG
from nbfn.errors import BadInput

_PREFIX = "oracle.com/oci/"
COMPARTMENT = f"{_PREFIX}compartmentId"
SUBNETS = f"{_PREFIX}subnetIds"
DIGEST = f"{_PREFIX}imageDigest"
FREEFORM_TAGS = f"{_PREFIX}freeformTags"
DEFINED_TAGS = f"{_PREFIX}definedTags"
STRATEGY = f"{_PREFIX}provisionedConcurrencyStrategy"
COUNT = f"{_PREFIX}provisionedConcurrencyCount"
DETACHED_TIMEOUT = f"{_PREFIX}detachedModeTimeoutInSeconds"
# The Fn CLI's names for what it passes on to OCI as it is.
NETWORK_GROUPS = f"{_PREFIX}parity/networkSecurityGroupIds"
IMAGE_POLICY = f"{_PREFIX}parity/imagePolicyConfig"
SECURITY = f"{_PREFIX}parity/securityAttributes"
TRACE = f"{_PREFIX}parity/traceConfig"
_DESTINATIONS = {"success": f"{_PREFIX}successDestination", "failure": f"{_PREFIX}failureDestination"}

OF_BOTH = (FREEFORM_TAGS, DEFINED_TAGS, TRACE)
OF_APPS = (SUBNETS, NETWORK_GROUPS, IMAGE_POLICY, SECURITY)
OF_FUNCTIONS = (
    *(STRATEGY, COUNT, DETACHED_TIMEOUT),
    *(f"{name}{end}" for name in _DESTINATIONS.values() for end in ("Kind", "Ocid", "ChannelId")),
)
_OCIDS = ("streamId", "queueId", "topicId")
_PASSED_ON = {
    NETWORK_GROUPS: "networkSecurityGroupIds",
    IMAGE_POLICY: "imagePolicyConfig",
    SECURITY: "securityAttributes",
}


def extras_of(annotations: Mapping[str, Any]) -> Extras:
    """What the annotations ask for; those that are not there leave it as it is.

    Raises:
        BadInput: a value cannot be; says of which.
    """
    return Extras(
        provisioned_units=_units(annotations),
        detached_timeout_s=_number(annotations, DETACHED_TIMEOUT),
        on_success=_destination(annotations, _DESTINATIONS["success"]),
        on_failure=_destination(annotations, _DESTINATIONS["failure"]),
        freeform_tags=_tags(annotations),
        defined_tags=_defined(annotations),
        is_traced=_is_traced(annotations),
    )


def app_fields(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """OCI's fields for what the annotations say of an application alone, and for its tracing.

    Raises:
        BadInput: a value cannot be; says of which.
    """
    fields: dict[str, Any] = {}
    if NETWORK_GROUPS in annotations:
        groups = annotations[NETWORK_GROUPS] or ()
        if isinstance(groups, str | Mapping) or not all(str(each).startswith("ocid1.") for each in groups):
            raise BadInput(f"{NETWORK_GROUPS} is {groups!r}", hint='give their ids, as in ["ocid1.…"]')
        fields[_PASSED_ON[NETWORK_GROUPS]] = list(groups)
    for name in (IMAGE_POLICY, SECURITY):
        if name in annotations:
            fields[_PASSED_ON[name]] = dict(_object(annotations, name))
    if TRACE in annotations:
        _is_traced(annotations)
        fields["traceConfig"] = dict(_object(annotations, TRACE))
    return fields


def tag_fields(annotations: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """OCI's fields for the tags that the annotations name; on ``held`` nbfn's own tag stays, and so do
    the defined ones of other namespaces.

    Raises:
        BadInput: they are no tags.
    """
    fields: dict[str, Any] = {}
    if FREEFORM_TAGS in annotations:
        own = {key: tag for key, tag in _held_tags(held).items() if key == FINGERPRINT_TAG}
        fields["freeformTags"] = {**_tags(annotations), **own}
    if DEFINED_TAGS in annotations:
        fields["definedTags"] = {**(held.get("definedTags") or {}), **(_defined(annotations) or {})}
    return fields


def shown(thing: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of an application or function, as far as OCI says something of what they tell."""
    notes: dict[str, Any] = {}
    tags = {key: tag for key, tag in _held_tags(thing).items() if key != FINGERPRINT_TAG}
    if tags:
        notes[FREEFORM_TAGS] = tags
    if thing.get("definedTags"):
        notes[DEFINED_TAGS] = thing["definedTags"]
    provisioned = thing.get("provisionedConcurrencyConfig") or {}
    if provisioned.get("strategy", "NONE") != "NONE":
        notes |= {STRATEGY: provisioned["strategy"], COUNT: provisioned.get("count")}
    if thing.get("detachedModeTimeoutInSeconds"):
        notes[DETACHED_TIMEOUT] = thing["detachedModeTimeoutInSeconds"]
    if (thing.get("traceConfig") or {}).get("isEnabled"):
        notes[TRACE] = thing["traceConfig"]
    for name, field in _PASSED_ON.items():
        if thing.get(field):
            notes[name] = thing[field]
    for which, name in _DESTINATIONS.items():
        held = thing.get(f"{which}Destination") or {}
        if held.get("kind", "NONE") != "NONE":
            ocid = next((held[key] for key in _OCIDS if key in held), "")
            notes |= {f"{name}Kind": held["kind"], f"{name}Ocid": ocid}
            notes |= {f"{name}ChannelId": held["channelId"]} if held.get("channelId") else {}
    return notes


def _held_tags(thing: Mapping[str, Any]) -> Mapping[str, str]:
    return thing.get("freeformTags") or {}


def _is_traced(annotations: Mapping[str, Any]) -> bool | None:
    if TRACE not in annotations:
        return None
    enabled = _object(annotations, TRACE).get("isEnabled")
    if not isinstance(enabled, bool):
        raise BadInput(f"{TRACE} is {annotations[TRACE]!r}", hint='as in {"isEnabled": true}')
    return enabled


def _object(annotations: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = annotations[name]
    if not isinstance(value, Mapping):
        raise BadInput(f"{name} is {value!r}", hint="give a JSON object")
    return value


def _units(annotations: Mapping[str, Any]) -> int | None:
    strategy = str(annotations.get(STRATEGY, "")).strip().upper()
    count = _number(annotations, COUNT)
    match strategy:
        case "" if count is None:
            return None
        case "NONE":
            return 0
        case "CONSTANT" if count:
            return count
        case "CONSTANT" | "":
            wanted = COUNT if strategy else STRATEGY
            raise BadInput(f"provisioned concurrency has no {wanted}", hint="give CONSTANT and a count")
    raise BadInput(f"{STRATEGY} is {annotations[STRATEGY]!r}", hint="use CONSTANT or NONE")


def _number(annotations: Mapping[str, Any], name: str) -> int | None:
    value = annotations.get(name)
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal()):
        raise BadInput(f"{name} is {value!r}", hint="give a whole number")
    return int(text)


def _destination(annotations: Mapping[str, Any], name: str) -> Destination | None:
    kind = annotations.get(f"{name}Kind")
    if kind is None:
        return None
    plain = str(kind).strip().lower().removesuffix("s")
    try:
        ocid, channel = (str(annotations.get(f"{name}{end}") or "") for end in ("Ocid", "ChannelId"))
        return Destination(plain, ocid, channel)
    except BadInput as error:
        raise BadInput(f"{name}: {error.message}", hint=error.hint) from None


def _tags(annotations: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): _text(value) for key, value in _mapping(annotations, FREEFORM_TAGS).items()}


def _text(value: object) -> str:
    if isinstance(value, Mapping | list):
        raise BadInput(f"{FREEFORM_TAGS}: {value!r} is no text", hint='as in {"team": "data"}')
    return str(value)


def _defined(annotations: Mapping[str, Any]) -> dict[str, dict[str, object]] | None:
    if DEFINED_TAGS not in annotations:
        return None
    spaces = _mapping(annotations, DEFINED_TAGS)
    return {str(space): dict(_mapping(spaces, space)) for space in spaces}


def _mapping(annotations: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = annotations.get(name) or {}
    if not isinstance(value, Mapping):
        example = '{"team": "data"}' if name == FREEFORM_TAGS else '{"Operations": {"CostCenter": "42"}}'
        raise BadInput(f"{name} is {value!r}", hint=f"give tags as in {example}")
    return value

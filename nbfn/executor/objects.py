"""Fn's objects, and what Fn accepts for them: pure, with Fn's own messages (``fnproject/fn`` models)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import urlsplit

from nbfn.errors import BadInput, Conflict, TargetError
from nbfn.spec import IDLE_TIMEOUT_S, MEMORY_MB, NAME_MAX_BYTES, TIMEOUT_S, check_function_name

FN_ENDPOINT = "fnproject.io/fn/invokeEndpoint"
TRIGGER_ENDPOINT = "fnproject.io/trigger/httpEndpoint"

_DEFAULT_MEMORY_MB, _DEFAULT_TIMEOUT_S, _DEFAULT_IDLE_TIMEOUT_S = 128, 30, 30
_MAX_ANNOTATIONS = 100
_MAX_ANNOTATION_KEY_BYTES, _MAX_ANNOTATION_VALUE_BYTES = 128, 512
_SYSLOG_SCHEMES = ("tcp", "udp", "unix", "unixgram", "tcp+tls")
_SHAPES = ("", "GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM")

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class App:
    """An application: a name, and configuration that all of its functions get."""

    id: str
    name: str
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, object] = field(default_factory=dict)
    syslog_url: str = ""
    shape: str = ""
    created_at: str = ""
    updated_at: str = ""

    def document(self) -> dict[str, object]:
        """As Fn writes it: empty fields left out, but ``id`` and ``name``."""
        return {k: v for k, v in asdict(self).items() if v or k in ("id", "name")}


@dataclass(frozen=True, slots=True)
class Fn:
    """A function: an image with limits and configuration."""

    id: str
    name: str
    app_id: str
    image: str
    memory: int = _DEFAULT_MEMORY_MB
    timeout: int = _DEFAULT_TIMEOUT_S
    idle_timeout: int = _DEFAULT_IDLE_TIMEOUT_S
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, object] = field(default_factory=dict)
    created_at: str = ""
    shape: str = ""
    updated_at: str = ""

    def document(self, host: str = "") -> dict[str, object]:
        """As Fn writes it; with ``host``, as read: the annotation that says where to invoke it."""
        found = {k: v for k, v in asdict(self).items() if v or k in ("id", "name", "config")}
        if host:
            endpoint = {FN_ENDPOINT: f"http://{host}/invoke/{self.id}"}
            found["annotations"] = {**self.annotations, **endpoint}
        return found


def read_document(body: bytes) -> Document:
    """The JSON object in ``body``. Raises TargetError (400 ``Invalid JSON``)."""
    try:
        document = json.loads(body)
    except ValueError:
        raise _invalid_json() from None
    if not isinstance(document, dict):
        raise _invalid_json()
    return document


def new_app(document: Document, app_id: str, now: str) -> App:
    """The application that ``document`` asks for. Raises TargetError with Fn's message."""
    if _text(document, "id"):
        raise _refused("App ID cannot be supplied on create")
    name = _text(document, "name")
    if not name:
        raise _refused("Missing Name")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise _refused("App name must be 255 characters or less")
    if not re.fullmatch(r"[\w-]+", name):
        raise _refused("Invalid app name")
    shape = _text(document, "shape")
    if shape not in _SHAPES:
        raise _refused("Invalid app shape")
    return App(
        id=app_id,
        name=name,
        config=_merged_config({}, document),
        annotations=_merged_annotations({}, document, creating=True),
        syslog_url=_syslog_url(document),
        shape=shape,
        created_at=now,
        updated_at=now,
    )


def changed_app(old: App, document: Document, now: str) -> App:
    """``old`` with ``document`` merged in; ``old`` itself if that changes nothing."""
    if _text(document, "id") not in ("", old.id):
        raise _refused("App ID in path does not match ID in body")
    if _text(document, "name") not in ("", old.name):
        raise Conflict("Could not update - name is immutable", status=409)
    new = replace(
        old,
        config=_merged_config(old.config, document),
        annotations=_merged_annotations(old.annotations, document),
        syslog_url=_syslog_url(document) if "syslog_url" in document else old.syslog_url,
    )
    return old if new == old else replace(new, updated_at=now)


def new_fn(document: Document, fn_id: str, now: str) -> Fn:
    """The function that ``document`` asks for. Raises TargetError with Fn's message."""
    if _text(document, "id"):
        raise _refused("ID cannot be provided for Fn creation")
    name = _text(document, "name")
    if not name:
        raise _refused("Missing Fn name")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise _refused("Fn name must be 255 characters or less")
    try:
        check_function_name(name)
    except BadInput:
        raise _refused("name must be a valid string") from None
    app_id, image = _text(document, "app_id"), _text(document, "image")
    if not app_id:
        raise _refused("Missing AppID on Fn")
    if not image:
        raise _refused("Missing image on Fn")
    fn = Fn(id=fn_id, name=name, app_id=app_id, image=image, created_at=now, updated_at=now)
    return replace(
        _with_limits(fn, document),
        config=_merged_config({}, document),
        annotations=_merged_annotations({}, document, creating=True),
    )


def changed_fn(old: Fn, document: Document, now: str) -> Fn:
    """``old`` with ``document`` merged in; ``old`` itself if that changes nothing.

    Fn ignores another name or application without a word, and so does this.
    """
    if _text(document, "id") not in ("", old.id):
        raise _refused("Fn ID in path does not match that in body")
    new = replace(
        _with_limits(old, document),
        image=_text(document, "image") or old.image,
        config=_merged_config(old.config, document),
        annotations=_merged_annotations(old.annotations, document),
    )
    return old if new == old else replace(new, updated_at=now)


def _with_limits(fn: Fn, document: Document) -> Fn:
    memory, timeout, idle = (_number(document, k) for k in ("memory", "timeout", "idle_timeout"))
    if memory and memory not in MEMORY_MB:
        raise _refused("memory value is out of range. It should be between 0 and 8192")
    if timeout and timeout not in TIMEOUT_S:
        raise _refused("timeout value is out of range, must be between 0 and 300")
    if idle and idle not in IDLE_TIMEOUT_S:
        raise _refused("idle_timeout value is out of range, must be between 0 and 3600")
    return replace(
        fn,
        memory=memory or fn.memory,
        timeout=timeout or fn.timeout,
        idle_timeout=idle or fn.idle_timeout,
    )


def _merged_config(old: Mapping[str, str], document: Document) -> dict[str, str]:
    changes = _mapping(document, "config")
    merged = dict(old)
    for key, value in changes.items():
        if value is None or value == "":  # Go reads null as "", and "" removes the key
            merged.pop(key, None)
        elif isinstance(value, str):
            merged[key] = value
        else:
            raise _invalid_json()
    return merged


def _merged_annotations(
    old: Mapping[str, object], document: Document, *, creating: bool = False
) -> dict[str, object]:
    merged = dict(old)
    for key, value in _mapping(document, "annotations").items():
        if key in (FN_ENDPOINT, TRIGGER_ENDPOINT):
            continue  # the CLI sends back what it read; these are said anew at every read
        if not re.fullmatch(r"[!-~]+", key):
            raise _refused(
                "Invalid annotation key, annotation keys must be non-empty ascii strings excluding whitespace"
            )
        if len(key) > _MAX_ANNOTATION_KEY_BYTES:
            raise _refused("Invalid annotation key length, annotation keys may not be larger than 128 bytes")
        if value is None or value == "":
            if creating:
                raise _refused(
                    "Invalid annotation value, annotation values may only be non-empty strings, "
                    "numbers, objects, or arrays"
                )
            merged.pop(key, None)
            continue
        if len(json.dumps(value, separators=(",", ":")).encode()) > _MAX_ANNOTATION_VALUE_BYTES:
            raise _refused(
                "Invalid annotation value length, annotation values may not be larger than 512 bytes "
                "when serialized as JSON"
            )
        merged[key] = value
    if len(merged) > _MAX_ANNOTATIONS and len(merged) > len(old):
        raise _refused(
            "Invalid annotation change, new key(s) exceed maximum permitted number of annotations keys (100)"
        )
    return merged


def _syslog_url(document: Document) -> str:
    url = _text(document, "syslog_url").strip()
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if url and scheme not in _SYSLOG_SCHEMES:
        raise _refused(
            f'invalid syslog url: "{url}" invalid scheme, only [{", ".join(_SYSLOG_SCHEMES)}] are supported'
        )
    return url


def _text(document: Document, key: str) -> str:
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid_json()
    return value


def _number(document: Document, key: str) -> int:
    value = document.get(key)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid_json()
    return value


def _mapping(document: Document, key: str) -> Mapping[str, object]:
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid_json()
    return value


def _refused(message: str) -> TargetError:
    return TargetError(message, status=400)


def _invalid_json() -> TargetError:
    return TargetError("Invalid JSON", status=400)

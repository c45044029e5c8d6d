"""What OCI Functions takes, checked before anything is sent. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.deploy.oci.causes import architecture_hint
from nbfn.errors import BadInput, LimitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.scale import Scale
    from nbfn.spec import Limits

TIMEOUT_S = range(1, 300 + 1)
MEMORY_MB = (128, 256, 512, 1024, 2048, 3072)
DETACHED_TIMEOUT_S = range(5, 3600 + 1)
CONFIG_MAX_BYTES = 4096
PAYLOAD_MAX_BYTES = 6 * 1024 * 1024
ARCHIVE_MAX_BYTES = 25 * 1024 * 1024
"""Of an archive that is sent with the function."""
STORED_ARCHIVE_MAX_BYTES = 250 * 1024 * 1024
"""Of one by way of Object Storage."""
# As Oracle's tagging overview has them; a free-form tag is nbfn's own.
FREEFORM_TAGS_MAX = 10 - 1
DEFINED_TAGS_MAX = 64
TAG_VALUE_MAX = 256
SHAPES = {
    "GENERIC_X86": ("amd64",),
    "GENERIC_ARM": ("arm64",),
    "GENERIC_X86_ARM": ("amd64", "arm64"),
}
"""Of applications, and for which processors their images must be, as images name them."""
TEMPORARY_MB = {128: 32, 256: 64, 512: 128, 1024: 256, 2048: 512, 3072: 768}
"""Size of a function's ``/tmp``, by its memory."""

_CONFIG_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TAG_KEY = re.compile(r"[!-\-/-~]{1,100}", re.ASCII)
_RESERVED = frozenset({"OCI_TRACING_ENABLED", "OCI_TRACE_COLLECTOR_URL"})
_UNITS_STEP = {128: 40, 256: 20}
_DESTINATIONS = {"stream": "streamId", "queue": "queueId", "notification": "topicId", "none": ""}


@dataclass(frozen=True, slots=True)
class Destination:
    """Where records of detached calls go: a ``stream``, ``queue`` or ``notification`` topic, by its id; or
    nowhere, ``none``."""

    kind: str
    ocid: str = ""
    channel_id: str = ""
    """Of a queue: the channel that its records go to."""

    def __post_init__(self) -> None:
        if self.kind not in _DESTINATIONS:
            raise BadInput(f"destination {self.kind!r}", hint=f"use one of: {', '.join(_DESTINATIONS)}")
        if bool(self.ocid) != bool(_DESTINATIONS[self.kind]):
            has, give = ("an id", "leave it out") if self.ocid else ("no id", "give its OCID")
            raise BadInput(f"destination {self.kind!r} has {has}", hint=give)
        if self.channel_id and self.kind != "queue":
            raise BadInput(f"destination {self.kind!r} has a channel", hint="only queues have: leave it out")

    @property
    def document(self) -> dict[str, str]:
        """As OCI's API has it."""
        told = {"kind": self.kind.upper(), _DESTINATIONS[self.kind]: self.ocid, "channelId": self.channel_id}
        return {name: value for name, value in told.items() if name and value}


@dataclass(frozen=True, slots=True)
class Extras:
    """What a function may have in OCI and has nowhere else. None leaves it as it is."""

    provisioned_units: int | None = None
    """Provisioned concurrency; 0 switches it off."""
    detached_timeout_s: int | None = None
    on_success: Destination | None = None
    on_failure: Destination | None = None
    freeform_tags: Mapping[str, str] = field(default_factory=dict)
    defined_tags: Mapping[str, Mapping[str, object]] | None = None
    is_traced: bool | None = None


def check(limits: Limits, config: Mapping[str, str], extras: Extras) -> None:
    """Return if OCI takes a function with these.

    Raises:
        LimitError: memory, a timeout, provisioned concurrency or the size of the configuration.
        BadInput: a configuration key that cannot be.
    """
    check_memory(limits.memory_mb)
    check_timeout(limits.timeout_s)
    check_extras(extras, limits.memory_mb)
    check_config(config)


def check_extras(extras: Extras, memory_mb: int | None = None) -> None:
    """Raises LimitError unless OCI takes these; of provisioned units only if the memory is known."""
    timeout_s = extras.detached_timeout_s
    if timeout_s is not None and timeout_s not in DETACHED_TIMEOUT_S:
        raise LimitError(f"the timeout of detached calls is {timeout_s} s", hint="OCI takes 5 to 3600 s")
    if extras.provisioned_units and memory_mb is not None:
        check_units(extras.provisioned_units, memory_mb)
    check_tags(extras.freeform_tags, extras.defined_tags or {})


def check_tags(freeform: Mapping[str, str], defined: Mapping[str, Mapping[str, object]]) -> None:
    """Raises BadInput or LimitError unless OCI keeps these tags, and nbfn's own beside them."""
    if len(freeform) > FREEFORM_TAGS_MAX:
        raise LimitError(
            f"{len(freeform)} free-form tags are given",
            hint=f"OCI keeps 10 with a thing, and nbfn needs one of them: give at most {FREEFORM_TAGS_MAX}",
        )
    count = sum(map(len, defined.values()))
    if count > DEFINED_TAGS_MAX:
        raise LimitError(f"{count} defined tags are given", hint=f"OCI keeps {DEFINED_TAGS_MAX} with a thing")
    spaces: Mapping[str, Mapping[str, object]] = {"": freeform, **defined}
    for space, tags in spaces.items():
        for key, value in tags.items():
            _check_tag(f"{space}.{key}" if space else key, key, value)


def _check_tag(shown: str, key: str, value: object) -> None:
    if not _TAG_KEY.fullmatch(key):
        raise BadInput(
            f"the tag {shown!r} cannot be",
            hint="OCI takes names of 1 to 100 printable ASCII characters, without spaces and periods",
        )
    if len(str(value)) > TAG_VALUE_MAX:
        raise LimitError(
            f"the tag {shown!r} has {len(str(value))} characters", hint=f"OCI keeps {TAG_VALUE_MAX} of a tag"
        )


def check_architecture(app: str, shape: str, architecture: str) -> None:
    """Raises BadInput if an image for ``architecture`` alone cannot run in an application of this shape."""
    if shape in SHAPES and (architecture,) != SHAPES[shape]:
        raise BadInput(
            f"application {app!r} is {shape}, and the image is for {architecture} alone",
            hint=architecture_hint(shape),
        )


def check_memory(memory_mb: int) -> None:
    """Raises LimitError unless OCI has functions of this size."""
    if memory_mb in MEMORY_MB:
        return
    larger = next((size for size in MEMORY_MB if size > memory_mb), None)
    near = f"the next larger one is {larger}" if larger else f"the largest is {MEMORY_MB[-1]}"
    raise LimitError(
        f"memory is {memory_mb} MB, which OCI Functions does not have",
        hint=f"use one of {', '.join(map(str, MEMORY_MB))}; {near}",
    )


def check_timeout(timeout_s: int) -> None:
    """Raises LimitError unless a call may take so long in OCI."""
    if timeout_s not in TIMEOUT_S:
        raise LimitError(
            f"the timeout is {timeout_s} s",
            hint="OCI Functions takes 1 to 300 s; what takes longer is called detached (up to 3600 s)",
        )


def check_units(units: int, memory_mb: int) -> None:
    """Raises LimitError unless OCI can provision ``units`` for a function of this size."""
    step = _UNITS_STEP.get(memory_mb, 10)
    if units < step or units % step:
        raise LimitError(
            f"provisioned concurrency is {units}", hint=f"at {memory_mb} MB OCI takes multiples of {step}"
        )


def check_scale(scale: Scale) -> None:
    """Raises LimitError unless it asks for nothing: OCI decides itself how many instances there are."""
    if scale.annotations():
        raise LimitError(
            f"the number of instances is to be {scale}, and OCI Functions takes no such numbers",
            hint="leave min_instances and max_instances out; provisioned concurrency keeps instances ready",
        )


def check_config(config: Mapping[str, str]) -> None:
    """Raises BadInput or LimitError unless OCI keeps this configuration."""
    for key, value in config.items():
        if not _CONFIG_KEY.fullmatch(key):
            raise BadInput(
                f"config has the key {key!r}",
                hint="OCI takes letters, digits and '_', not beginning with a digit",
            )
        if key in _RESERVED:
            raise BadInput(f"config has {key}, which OCI sets itself", hint="use another name")
        if not value.isprintable():
            raise BadInput(
                f"config[{key!r}] holds what cannot be printed", hint="OCI keeps printable text alone"
            )
    size = sum(len(key.encode()) + len(value.encode()) for key, value in config.items())
    if size > CONFIG_MAX_BYTES:
        raise LimitError(
            f"the configuration takes {size} bytes, with the application's and nbfn's own",
            hint=f"OCI keeps {CONFIG_MAX_BYTES}: put large values into data of the function",
        )

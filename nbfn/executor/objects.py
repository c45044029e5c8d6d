"""Fn's objects, as the executor keeps them and as it writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from urllib.parse import quote

from nbfn.scale import Scale

FN_ENDPOINT = "fnproject.io/fn/invokeEndpoint"
TRIGGER_ENDPOINT = "fnproject.io/trigger/httpEndpoint"

DEFAULT_MEMORY_MB, DEFAULT_TIMEOUT_S, DEFAULT_IDLE_TIMEOUT_S = 128, 30, 30

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
    memory: int = DEFAULT_MEMORY_MB
    timeout: int = DEFAULT_TIMEOUT_S
    idle_timeout: int = DEFAULT_IDLE_TIMEOUT_S
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    annotations: Mapping[str, object] = field(default_factory=dict)
    created_at: str = ""
    shape: str = ""
    updated_at: str = ""

    @property
    def scale(self) -> Scale:
        """What its annotations say about the number of its instances. Raises LimitError."""
        return Scale.of(self.annotations)

    def document(self, host: str = "") -> dict[str, object]:
        """As Fn writes it; with ``host``, as read: the annotation that says where to invoke it."""
        found = asdict(self)
        if host:
            found["annotations"] = {**self.annotations, FN_ENDPOINT: f"http://{host}/invoke/{self.id}"}
        return {k: v for k, v in found.items() if v or k in ("id", "name", "config")}


@dataclass(frozen=True, slots=True)
class Trigger:
    """A way to a function by HTTP: ``/t/`` + the application's name + ``source``."""

    id: str
    name: str
    app_id: str
    fn_id: str
    created_at: str = ""
    updated_at: str = ""
    type: str = "http"
    source: str = "/"
    annotations: Mapping[str, object] = field(default_factory=dict)

    def document(self, app_name: str, host: str) -> dict[str, object]:
        """As Fn writes it, with the annotation that says where it listens."""
        found = asdict(self)
        endpoint = f"http://{host}/t/{quote(app_name)}{quote(self.source, safe=_SAFE)}"
        found["annotations"] = {**self.annotations, TRIGGER_ENDPOINT: endpoint}
        return found


_SAFE = "/:@!$&'()*+,;=~"  # what a path may hold as it is

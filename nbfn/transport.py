"""Where an executor is, and HTTP clients that reach it.

Nothing here looks at proxies or ``.netrc`` of the environment: the executor is this machine's, and its token
is nobody else's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

import httpx

from nbfn import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Unpack

# Connecting is immediate or hopeless; an answer takes as long as the function does.
_TIMEOUT = httpx.Timeout(None, connect=5.0)
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=60.0)


class ClientOptions(TypedDict, total=False):
    """What of httpx's clients may be chosen."""

    timeout: httpx.Timeout | float | None
    limits: httpx.Limits
    headers: Mapping[str, str]
    follow_redirects: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An executor: its base URL, its unix socket if it has one (which then is used), its token."""

    url: str
    """``http://HOST[:PORT]``: the base of relative URLs, and how absolute ones of it begin."""
    socket: Path | None = None
    token: str = field(default="", repr=False)
    driver: str = field(default="", compare=False)
    """How its instances run (``docker``, ``sandbox``, …), if it has said so."""

    def client(self, **options: Unpack[ClientOptions]) -> httpx.Client:
        """A blocking client. Every URL it is given, of whatever host, goes to this executor's socket."""
        limits = options.pop("limits", _LIMITS)
        return httpx.Client(
            base_url=self.url,
            transport=httpx.HTTPTransport(uds=self._uds, limits=limits, trust_env=False),
            trust_env=False,
            **self._completed(options),
        )

    def async_client(self, **options: Unpack[ClientOptions]) -> httpx.AsyncClient:
        """The same for asyncio."""
        limits = options.pop("limits", _LIMITS)
        return httpx.AsyncClient(
            base_url=self.url,
            transport=httpx.AsyncHTTPTransport(uds=self._uds, limits=limits, trust_env=False),
            trust_env=False,
            **self._completed(options),
        )

    @property
    def _uds(self) -> str | None:
        return str(self.socket) if self.socket else None

    def _completed(self, options: ClientOptions) -> ClientOptions:
        headers = {"User-Agent": f"nbfn/{__version__}", "Accept-Encoding": "identity"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        options["headers"] = {**headers, **options.get("headers", {})}
        options.setdefault("timeout", _TIMEOUT)
        return options

"""Who may speak to the executor, on either listener: whoever has the token, to a name that is ours."""

from __future__ import annotations

import ipaddress
import json
import re
from hmac import compare_digest
from typing import TYPE_CHECKING

from nbfn.executor.answers import JSON

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

_HEADER_BYTES = 65536
_HOST = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(:[0-9]{1,5})?")
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


class Guard:
    """Refuses what has a foreign ``Host`` (a web page that rebinds its name to 127.0.0.1), or no token.

    There is no CORS answer anywhere: no page of another origin is meant to talk to this.
    """

    def __init__(self, app: ASGIApp, *, token: str, token_file: Path, host: str) -> None:
        self._app = app
        self._token = token.encode()
        self._own_host = host
        self._any_address = host in _WILDCARDS
        self._hosts: dict[bytes, bool] = {}
        self._unauthorized = (
            "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN', "
            f"the token is in {token_file}"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        status, message = refusal
        body = json.dumps({"message": message}).encode() + b"\n"
        headers = [JSON, (b"content-length", str(len(body)).encode())]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        host, token, size = b"", b"", 0
        for name, value in scope["headers"]:
            size += len(name) + len(value)
            if name == b"host":
                host = value
            elif name == b"authorization":
                token = value
        if size > _HEADER_BYTES:
            return 431, f"the headers are larger than {_HEADER_BYTES} bytes"
        if not self._is_ours(host):
            shown = host.decode("latin-1")[:100]
            return 421, f"Host is {shown!r}: use localhost, 127.0.0.1 or [::1]"
        if token[:7].lower() != b"bearer " or not compare_digest(token[7:].strip(), self._token):
            return 401, self._unauthorized
        return None

    def _is_ours(self, host: bytes) -> bool:
        known = self._hosts.get(host)
        if known is None:
            known = self._check_host(host.decode("latin-1"))
            if len(self._hosts) < 64:
                self._hosts[host] = known
        return known

    def _check_host(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["v6"] or found["name"]
        if name.lower() in ("localhost", self._own_host.lower()):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._any_address

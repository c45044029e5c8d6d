"""Who may speak to the executor, on either listener: whoever has the token, to a name that is ours."""

from __future__ import annotations

import ipaddress
import re
from hmac import compare_digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HOST = re.compile(r"(\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(:[0-9]{1,5})?")
_WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not listened on


class Guard:
    """Refuses what has a foreign ``Host`` (a web page that rebinds its name to 127.0.0.1), or no token.

    There is no CORS answer anywhere: no page of another origin is meant to talk to this.
    """

    def __init__(self, *, token: str, token_file: Path, host: str) -> None:
        self._token = token.encode()
        self._usual = b"Bearer " + self._token
        self._own_host = host
        self._any_address = host in _WILDCARDS
        self._hosts: dict[bytes, bool] = {}
        self._unauthorized = (
            "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN', "
            f"the token is in {token_file}"
        )

    def refusal(self, host: bytes, authorization: bytes) -> tuple[int, str] | None:
        """Status and message for a request with these headers, None if it is let in."""
        known = self._hosts.get(host)
        if known is None:
            known = self._check_host(host.decode("latin-1"))
            if len(self._hosts) < 64:
                self._hosts[host] = known
        if not known:
            shown = host.decode("latin-1")[:100]
            return 421, f"Host is {shown!r}: use localhost, 127.0.0.1 or [::1]"
        if compare_digest(authorization, self._usual):
            return None
        scheme, token = authorization[:7].lower(), authorization[7:].strip()
        if scheme != b"bearer " or not compare_digest(token, self._token):
            return 401, self._unauthorized
        return None

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

"""What a registry asks for before it answers, and the header that satisfies it."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from nbfn.containerize.registry import explain
from nbfn.errors import LoginFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbfn.containerize.registry.credentials import Credentials
    from nbfn.containerize.registry.reference import Reference

_SCHEME = re.compile(r"(?:^|,)\s*(basic|bearer)(?=\s|,|$)", re.IGNORECASE)
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_CLIENT_ID = "nbfn"


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to be let in, of a ``WWW-Authenticate`` header."""

    scheme: str
    """``basic`` or ``bearer``."""
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(header: str) -> list[Challenge]:
    """The ways that the header names and that are understood, the better one first."""
    starts = list(_SCHEME.finditer(header))
    found = []
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(header)
        parameters = {
            key.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted or not plain else plain
            for key, quoted, plain in _PARAMETER.findall(header[start.end() : end])
        }
        found.append(Challenge(start[1].lower(), parameters))
    return sorted(found, key=lambda challenge: challenge.scheme != "bearer")


class Authorization:
    """The ``Authorization`` header for one repository, got when first asked for and renewed when refused."""

    def __init__(
        self, client: httpx.Client, ref: Reference, login: Credentials | None, *, push: bool, doing: str
    ) -> None:
        self._client = client
        self._ref = ref
        self.login = login
        # Replaced, never changed: other threads may be asking for a token.
        self._scopes = frozenset([f"repository:{ref.repository}:{'pull,push' if push else 'pull'}"])
        self._doing = doing
        self._header = ""
        self._lock = threading.Lock()

    def headers(self) -> dict[str, str]:
        """To be sent to the registry itself, and to nobody else."""
        return {"Authorization": self._header} if self._header else {}

    def also(self, repository: str) -> None:
        """Ask for reading another repository too, from now on."""
        self._scopes |= {f"repository:{repository}:pull"}

    def no_longer(self, repository: str) -> None:
        """Ask for it no more."""
        self._scopes -= {f"repository:{repository}:pull"}

    def answer(self, response: httpx.Response) -> bool:
        """Get what the 401 in ``response`` asks for; False if there is nothing (more) to be had.

        Raises:
            LoginFailed: the login is refused.
            RegistryError: the token server is not there, or gives no token.
        """
        with self._lock:
            if response.request.headers.get("authorization", "") != self._header:
                return True  # another thread has got it meanwhile
            return self._answered(response)

    def _answered(self, response: httpx.Response) -> bool:
        for challenge in challenges(", ".join(response.headers.get_list("www-authenticate"))):
            if challenge.scheme == "bearer":
                header = f"Bearer {self._token(challenge.parameters, response.request.url)}"
            elif self.login is not None and self.login.user:
                header = f"Basic {_basic(self.login)}"
            else:
                continue
            if header != self._header:
                self._header = header
                return True
        return False

    def _token(self, parameters: Mapping[str, str], asked_by: httpx.URL) -> str:
        realm = parameters.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme not in ("http", "https") or (asked_by.scheme == "https" and parts.scheme == "http"):
            raise LoginFailed(
                f"{self._ref.host} sends logins to {realm!r}, which is not safe to follow",
                hint="look at the registry's configuration (auth.token.realm)",
            )
        scopes = sorted({*self._scopes, *parameters.get("scope", "").split()})
        response = self._ask(realm, parameters.get("service", ""), scopes)
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.status_code != httpx.codes.OK:
            raise explain.refused(
                self._ref, f"a login for {self._doing}", response.status_code, body, self.login
            )
        token = (body.get("token") or body.get("access_token")) if isinstance(body, dict) else None
        if not isinstance(token, str) or not token.isprintable():
            raise LoginFailed(f"{parts.hostname} gave no token for {self._ref.name}", hint="try again later")
        return token

    def _ask(self, realm: str, service: str, scopes: Iterable[str]) -> httpx.Response:
        login = self.login
        if login is not None and login.identity_token:
            form: dict[str, Any] = {
                "grant_type": "refresh_token",
                "service": service,
                "scope": " ".join(scopes),
                "client_id": _CLIENT_ID,
                "refresh_token": login.identity_token,
            }
            return self._client.post(realm, data=form)
        query = httpx.QueryParams({"service": service} if service else {})
        for scope in scopes:
            query = query.add("scope", scope)
        headers = {"Authorization": f"Basic {_basic(login)}"} if login is not None and login.user else {}
        return self._client.get(realm, params=query, headers=headers)


def _basic(login: Credentials) -> str:
    return base64.b64encode(f"{login.user}:{login.password}".encode()).decode()

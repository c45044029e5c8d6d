"""Signed HTTP requests, as every service of OCI asks for them (draft-cavage-http-signatures-08).

:func:`sign` is the whole of it, without I/O. :class:`Signature` puts it on the requests of an httpx client.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_HEADERS = ("date", "(request-target)", "host")
_BODY_HEADERS = ("content-length", "content-type", "x-content-sha256")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Identity:
    """What a signature is made with. Neither a token nor a key is ever shown."""

    key_id: str = field(repr=False)
    """``TENANCY/USER/FINGERPRINT``, or ``ST$TOKEN``."""
    key: RSAPrivateKey = field(repr=False)
    delegation: str = field(repr=False, default="")
    """Token on whose behalf one asks (header ``opc-obo-token``, signed too)."""


class Credentials(Protocol):
    """Where identities come from."""

    def identity(self) -> Identity:
        """The identity to sign with now.

        Raises:
            CredentialsError: there is none that is valid.
        """
        ...

    def refresh(self) -> bool:
        """Look for a newer one, after the last was refused; True if there is one."""
        ...


def sign(
    identity: Identity,
    method: str,
    target: str,
    host: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    with_host: bool = True,
) -> dict[str, str]:
    """The headers to add to a request so that OCI accepts it.

    ``target`` is path and query exactly as they are sent; ``headers`` are those that the request has, by
    names in lower case. ``date`` is taken from them, or is now. Everything but a request for a token signs
    the host too.
    """
    added = {"date": headers.get("date") or email.utils.formatdate(usegmt=True), "host": host}
    names: tuple[str, ...] = _HEADERS if with_host else _HEADERS[:2]
    if method.upper() in _WITH_BODY:
        names += _BODY_HEADERS
        added["content-length"] = str(len(body))
        added["content-type"] = headers.get("content-type") or "application/json"
        digest = hashlib.sha256(body).digest()
        added["x-content-sha256"] = headers.get("x-content-sha256") or base64.b64encode(digest).decode()
    if identity.delegation:
        names += ("opc-obo-token",)
        added["opc-obo-token"] = identity.delegation
    values = {**added, "(request-target)": f"{method.lower()} {target}"}
    text = "\n".join(f"{name}: {values[name]}" for name in names)
    signature = base64.b64encode(identity.key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
    added["authorization"] = (
        f'Signature algorithm="rsa-sha256",headers="{" ".join(names)}",'
        f'keyId="{identity.key_id}",signature="{signature}",version="1"'
    )
    return added


class Signature(httpx.Auth):
    """Signs each request. One that is refused (401) is sent once more if the credentials have been renewed.

    That is safe: a request whose signature is refused has not been carried out.
    """

    requires_request_body = True

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        self._sign(request)
        response = yield request
        if response.status_code == 401 and self._credentials.refresh():
            request.headers.pop("date", None)
            self._sign(request)
            yield request

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """What a client that is not httpx adds to a request (names of ``headers`` in lower case)."""
        parts = httpx.URL(url)
        target, host = parts.raw_path.decode("ascii"), parts.netloc.decode("ascii")
        return sign(self._credentials.identity(), method, target, host, headers, body)

    def _sign(self, request: httpx.Request) -> None:
        given = {name.lower(): value for name, value in request.headers.items()}
        request.headers.update(self.headers(request.method, str(request.url), given, request.content))

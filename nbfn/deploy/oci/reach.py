"""Why no answer of OCI's came at all, from the way in which a connection failed. No I/O."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, TypeVar

import httpx

from nbfn.errors import TargetUnavailable

if TYPE_CHECKING:
    from nbfn.deploy.oci.causes import Place

E = TypeVar("E", bound=BaseException)


def unreachable(
    error: httpx.TransportError, where: str, operation: str, place: Place, *, sent: bool
) -> TargetUnavailable:
    """The error of a request to ``where`` that nobody answered; ``sent`` if it may have arrived."""
    told = "did not answer" if sent else "cannot be reached for"
    of = f" (context {place.context!r})" if place.context else ""
    hint = "it may have been done: look before you repeat it" if sent else _hint(error, where, place)
    return TargetUnavailable(f"{where}{of} {told} {operation}: {error}", hint=hint)


def is_lasting(error: httpx.TransportError) -> bool:
    """True if the same would happen again: certificates, names and who listens do not change meanwhile."""
    return any(_cause(error, kind) for kind in (ssl.SSLError, socket.gaierror, ConnectionRefusedError))


def _hint(error: httpx.TransportError, where: str, place: Place) -> str:
    right = place.functions_url or "https://functions.REGION.oci.oraclecloud.com"
    own = (
        f"OCI's own is set by `nbfn update context api-url {right}`" if place.context else f"OCI's is {right}"
    )
    if _cause(error, ssl.SSLCertVerificationError) is not None:
        return (
            f"its certificate is not trusted. Is {where} really OCI's address, or does a company's proxy "
            "stand before it? Its authority goes into SSL_CERT_FILE; for an emulator with one of its "
            "own: `nbfn update context oracle.disable-certs true`"
        )
    if _cause(error, ssl.SSLError) is not None:
        return (
            f"it does not speak TLS as OCI does (1.2 or newer): is {where} the right address and port? "
            f"An emulator without TLS begins with http://; {own}"
        )
    if _cause(error, socket.gaierror) is not None:
        return (
            f"no such host is known: is the region right, and is this machine online? "
            f"{own}; without api-url the profile's region decides"
        )
    if isinstance(error, httpx.TimeoutException):
        return (
            "nothing answered in time: does a firewall or a missing proxy (HTTPS_PROXY) stand in between? is "
            f"the region right? {own}"
        )
    return f"nobody listens there: is the region right, does this machine reach it (proxy, firewall)? {own}"


def _cause(error: BaseException | None, kind: type[E]) -> E | None:
    """The first of what led to ``error`` that is a ``kind``."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, kind):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None

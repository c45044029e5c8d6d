"""CONTEXT → TARGET: the server that a context means, and how to reach it.

Every provider comes in here. ``default`` is a Fn server: this machine's executor, found or started, or
any other by its address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from nbfn import local
from nbfn.deploy.control import Control
from nbfn.deploy.fn import FnTarget
from nbfn.errors import BadInput
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    import httpx

    from nbfn.config import Settings
    from nbfn.contexts import Context
    from nbfn.deploy.base import Target

_CONTROL_TIMEOUT_S = 30.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Server(Protocol):
    """Somewhere that functions can be: what a session connects to."""

    endpoint: Endpoint
    own: bool
    """True for nbfn's own executor on this machine: it reads images where they are built, and tells
    events."""
    client: httpx.Client
    target: Target
    control: Control


@dataclass(slots=True)
class FnServer:
    """A server that speaks Fn's API."""

    endpoint: Endpoint
    own: bool
    client: httpx.Client
    target: Target
    control: Control


def find_endpoint(context: Context, settings: Settings) -> tuple[Endpoint, bool]:
    """Where the server of ``context`` is, and whether it is nbfn's own executor (started, if need be).

    Raises:
        BadInput: the context has no address, or is one of a provider that is no Fn server.
        ExecutorNotRunning, ExecutorError, StateError: as :func:`nbfn.local.ensure`.
    """
    if context.is_oracle:
        raise BadInput(
            f"context {context.name!r} is of provider {context.provider!r}: OCI Functions, "
            "which this version of nbfn can keep contexts for, but not deploy to or ask",
            hint="`fn use context default` goes back to this machine's executor",
        )
    if context.is_local:
        return local.ensure(settings), True
    if not context.api_url:
        raise BadInput(
            f"context {context.name!r} has no api-url",
            hint="`fn update context api-url http://HOST:PORT`",
        )
    own = _own_at(context, settings)
    return (own, True) if own else (Endpoint(url=context.api_url, token=context.token), False)


def open_server(context: Context, settings: Settings) -> Server:
    """Connect to the server of ``context``; close its ``client`` in the end. Raises as
    :func:`find_endpoint`."""
    endpoint, own = find_endpoint(context, settings)
    client = endpoint.client(timeout=_CONTROL_TIMEOUT_S)
    return FnServer(endpoint, own, client, FnTarget(client), Control(client))


def make_target(context: Context, settings: Settings) -> Target:
    """Where functions of ``context`` are deployed to. Raises as :func:`find_endpoint`."""
    return open_server(context, settings).target


def _own_at(context: Context, settings: Settings) -> Endpoint | None:
    """nbfn's own executor, if that is what listens at the context's address."""
    asked = urlsplit(context.api_url)
    if asked.hostname not in _LOOPBACK:
        return None
    found = local.find(settings)
    if found is None or urlsplit(found.url).port != asked.port:
        return None
    return found

"""CONTEXT → TARGET: the server that a context means, and how to reach it.

Every provider comes in here. ``default`` is a Fn server: this machine's executor, found or started, or
any other by its address. ``oracle``, ``oracle-ip`` and ``oracle-cs`` are OCI Functions, asked as whoever the
profile, the machine or Cloud Shell is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nbfn import local
from nbfn.deploy.control import Control
from nbfn.deploy.fn import FnTarget
from nbfn.deploy.rest import Rest
from nbfn.errors import BadInput
from nbfn.targets.base import Server
from nbfn.targets.fn import FnServer
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from nbfn.config import Settings
    from nbfn.contexts import Context

__all__ = ["Server", "find_endpoint", "open_server"]

_CONTROL_TIMEOUT_S = 30.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def find_endpoint(context: Context, settings: Settings) -> tuple[Endpoint, bool]:
    """Where the Fn server of ``context`` is, and whether it is nbfn's own executor (started, if need be).

    Raises:
        BadInput: the context has no address.
        ExecutorNotRunning, ExecutorError, StateError: as :func:`nbfn.local.ensure`.
    """
    if context.is_local:
        return local.ensure(settings), True
    if not context.api_url:
        raise BadInput(
            f"context {context.name!r} has no api-url",
            hint="`nbfn update context api-url http://HOST:PORT`",
        )
    own = _own_at(context, settings)
    return (own, True) if own else (Endpoint(url=context.api_url, token=context.token), False)


def open_server(context: Context, settings: Settings) -> Server:
    """Connect to the server of ``context``; close its ``client`` in the end.

    Raises:
        BadInput: the context does not say what it takes to reach it.
        CredentialsError: who is asking cannot be shown to OCI.
        ExecutorNotRunning, ExecutorError, StateError: as :func:`nbfn.local.ensure`.
    """
    if context.is_oracle:
        from nbfn.targets.oci import open_oci  # what signs is brought in for whom it signs

        return open_oci(context)
    endpoint, own = find_endpoint(context, settings)
    client = endpoint.client(timeout=_CONTROL_TIMEOUT_S)
    return FnServer(endpoint, own, client, FnTarget(client), Control(Rest(client)))


def _own_at(context: Context, settings: Settings) -> Endpoint | None:
    """nbfn's own executor, if that is what listens at the context's address."""
    asked = urlsplit(context.api_url)
    if asked.hostname not in _LOOPBACK:
        return None
    found = local.find(settings)
    if found is None or urlsplit(found.url).port != asked.port:
        return None
    return found

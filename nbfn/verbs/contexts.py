"""Contexts from Python. The files are the Fn CLI's own; see :mod:`nbfn.contexts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.contexts import Contexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.contexts import Context
    from nbfn.session import Session


def list_contexts() -> Sequence[Context]:
    """Every context, by name, as its file says it. Raises BadInput if a file cannot be understood."""
    store = Contexts()
    return [store.get(name) for name in store.names()]


def use_context(name: str, *, session: Session | None = None) -> Context:
    """Make a context the current one, and move this session there.

    What is deployed, asked or called from now on is there; a function that was deployed elsewhere is
    deployed there on its next call. Other notebooks stay where they are.

    Raises:
        BadInput: there is no such context, or its file cannot be understood.
    """
    store = Contexts()
    store.use(name)
    context = store.current(name)
    (session or sessions.current()).use_context(context)
    return context


def unset_context(*, session: Session | None = None) -> Context:
    """Have no current context, and move this session to the one that is then meant: ``default``."""
    store = Contexts()
    store.unset()
    context = store.current()
    (session or sessions.current()).use_context(context)
    return context


def create_context(name: str, *, provider: str = "default", api_url: str = "", registry: str = "") -> Context:
    """Make a context. Raises BadInput if it cannot be, or is there already."""
    return Contexts().create(name, provider=provider, api_url=api_url, registry=registry)


def update_context(key: str, value: str | None, *, name: str = "", session: Session | None = None) -> Context:
    """Set a key of a context (default: the session's), or remove it (None); the session sees it at once.

    Raises:
        BadInput: no such context or key, or a value that cannot be.
    """
    ours = session or sessions.current()
    store, named = Contexts(), name or ours.context.name
    store.update(named, key, value)
    context = store.current(named)
    if named == ours.context.name:
        ours.use_context(context)
    return context


def delete_context(name: str) -> None:
    """Remove a context. Raises BadInput for the current one, for ``default``, and if there is none."""
    Contexts().delete(name)

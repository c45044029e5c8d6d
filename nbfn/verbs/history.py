"""Revisions of functions from Python: what a function ran before, and going back.

Raises (each function, beside what it says itself): as :mod:`nbfn.verbs.objects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn import session as sessions
from nbfn.revisions import kept
from nbfn.spec import FunctionSpec

if TYPE_CHECKING:
    from nbfn.deploy.history import FunctionRevision, Revisions
    from nbfn.session import Session


def function_revisions(app: str, name: str, *, session: Session | None = None) -> Revisions:
    """What a function ran, newest first: the first is what runs now."""
    return kept(FunctionSpec(name, app), session or sessions.current())


def rollback_function(
    app: str, name: str, revision: int | None = None, *, session: Session | None = None
) -> FunctionRevision:
    """Let a function run an earlier revision again, by default the one before; what it runs after that.

    Raises:
        BadInput: there is no such revision; says which there are.
        Conflict: its image is gone.
    """
    ours, spec = session or sessions.current(), FunctionSpec(name, app)
    to = kept(spec, ours).before(revision).number
    ours.ask(lambda target: target.rollback(spec, to))
    return kept(spec, ours)[0]

"""The last failure of what was done with each function, for who asks later: ``nbfn doctor``.

A terminal's next command is another process, so it is a file in the state folder: a few entries, each
forgotten when the same has succeeded. What cannot be written or read is as if it had not been kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from nbfn.contexts import endpoints
from nbfn.deploy.oci.causes import without_secrets
from nbfn.errors import NbfnError, StateError
from nbfn.yamlfile import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    What = Literal["deploy", "create", "update", "delete", "invoke"]

_log = logging.getLogger(__name__)
_KEPT = 50
_OVER = {
    "deploy": ("deploy", "create", "update", "delete"),
    "delete": ("deploy", "create", "update", "delete", "invoke"),
}
_MESSAGE_CHARS, _HINT_CHARS = 1000, 500

About = tuple[str, str, str]
"""Context, application and function."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What failed, when (seconds since the epoch), and what to do. ``call_id`` is empty if none is known."""

    context: str
    app: str
    name: str
    what: str
    at: float
    message: str
    hint: str = ""
    call_id: str = ""

    @property
    def about(self) -> About:
        return self.context, self.app, self.name


@contextlib.contextmanager
def noted(state: Path, what: What, about: About) -> Iterator[None]:
    """Around what is done with a function: an error is remembered, and else the former one forgotten.

    Where it is invoked may be another place then, so the Fn CLI shall ask for that anew.
    """
    try:
        yield
    except NbfnError as error:
        if error.about != about:  # else it is remembered, as a part of this
            remember(state, what, about, error)
        raise
    forget(state, what, about)
    endpoints.forget(*about)


def remember(state: Path, what: What, about: About, error: NbfnError) -> None:
    """Keep ``error`` below ``state``, instead of the last one of the same; it then says what it is about."""
    error.about = about
    if not all(about):
        return
    new = Failed(
        *about,
        what,
        time.time(),
        without_secrets(error.message)[:_MESSAGE_CHARS],
        without_secrets(error.hint)[:_HINT_CHARS],
        str(getattr(error, "call_id", "")),
    )
    _change(state, lambda old: [*_others(old, what, about), new][-_KEPT:])


def forget(state: Path, what: What, about: About) -> None:
    """It has succeeded. What is deployed has been made and changed, too; what is gone is over with."""
    over = _OVER.get(what, (what,))
    if any(each.what in over and each.about == about for each in _read(state)):
        _change(state, lambda old: [x for x in old if x.what not in over or x.about != about])


def recall(state: Path, context: str, name: str) -> Sequence[Failed]:
    """What failed last of the functions ``name`` in a context, in whichever application, oldest first."""
    return [each for each in _read(state) if (each.context, each.name) == (context, name)]


def _others(old: Sequence[Failed], what: str, about: About) -> list[Failed]:
    return [each for each in old if each.what != what or each.about != about]


def _path(state: Path) -> Path:
    return state / "failures.json"


def _read(state: Path) -> list[Failed]:
    try:
        return [Failed(**each) for each in json.loads(_path(state).read_bytes())]
    except (OSError, ValueError, TypeError):
        return []


def _change(state: Path, change: Callable[[list[Failed]], list[Failed]]) -> None:
    path = _path(state)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = json.dumps([asdict(each) for each in change(_read(state))], indent=1)
            write_text(path, text, secret=True)  # what functions say may be nobody else's business
    except (OSError, StateError) as error:
        _log.debug("%s cannot be written: %s", path, error)

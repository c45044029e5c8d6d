"""What went wrong in a call, as data: for an nbfn caller a document, for anyone else one line and a text."""

from __future__ import annotations

import sys

from .wire import ERROR_HEADER_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_HERE = __file__.rpartition("/")[0] + "/"
_CHAIN_MAX = 10
_FRAMES_MAX = 100


class Refused(Exception):
    """A call that failed outside of the function: the message is all there is to tell."""


class BadArguments(Refused):
    """What was sent cannot be given to the function."""


class BadResult(Refused):
    """What the function returned cannot be sent."""


def headline(error: BaseException) -> str:
    """``ValueError: no such city``, on one line."""
    message = " ".join(message_of(error).split())
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def header(error: BaseException) -> str:
    """:func:`headline`, fit for a header's value."""
    return header_text(headline(error))


def header_text(text: str) -> str:
    """``text``, fit for a header's value: latin-1, printable, not too long."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text.encode("latin-1", "replace")[:ERROR_HEADER_BYTES].decode("latin-1")


def message_of(error: BaseException) -> str:
    """``str(error)``, whatever its class makes of that."""
    try:
        return str(error)
    except Exception:
        return "(its text cannot be made)"


def text(error: BaseException) -> str:
    """The traceback as Python prints it, without frames of the runtime."""
    import traceback

    for linked, _ in _chain(error):
        linked.__traceback__ = _without_own(linked.__traceback__)
    return "".join(traceback.format_exception(error))


def document(
    error: BaseException, *, func_file: str, importing: bool, freeze: Callable[[BaseException], str | None]
) -> dict[str, object]:
    """The error document of ``docs/wire.md`` §2.4.

    ``freeze`` gives an exception as the text of a sealed frame, or None if it cannot travel.
    """
    documents = []
    for linked, implicit in _chain(error):
        frames, cut = _frames(linked.__traceback__, func_file)
        cls = type(linked)
        documents.append(
            {
                "type": cls.__qualname__,
                "module": "nbfn" if isinstance(linked, Refused) else cls.__module__,
                "message": message_of(linked),
                "frames": frames,
                "frames_cut": cut,
                "exception": None if isinstance(linked, Refused) else freeze(linked),
                "cause": None,
                "implicit": implicit,
                "import": importing,
            }
        )
    for index, inner in enumerate(documents[1:]):
        documents[index]["cause"] = inner
    return documents[0]


def _chain(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """The exception, its cause, the cause's cause…; True with one that was merely being handled."""
    seen: list[int] = []
    linked: BaseException | None = error
    implicit = False
    while linked is not None and id(linked) not in seen and len(seen) < _CHAIN_MAX:
        seen.append(id(linked))
        yield linked, implicit
        implicit = linked.__cause__ is None
        following = linked.__cause__ or (None if linked.__suppress_context__ else linked.__context__)
        linked = following


def _is_own(filename: str) -> bool:
    return filename.startswith((_HERE, "<frozen "))


def _without_own(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


def _frames(trace: TracebackType | None, func_file: str) -> tuple[list[dict[str, object]], int]:
    """Frames, oldest first, and how many were left out of the middle."""
    import linecache

    found = []
    while trace is not None:
        if not _is_own(trace.tb_frame.f_code.co_filename):
            found.append((trace.tb_frame.f_code, trace.tb_lineno))
        trace = trace.tb_next
    cut = max(0, len(found) - _FRAMES_MAX)
    if cut:
        half = _FRAMES_MAX // 2
        found[half:-half] = []
    return [
        {
            "file": "func.py" if code.co_filename == func_file else code.co_filename,
            "line": line,
            "name": code.co_qualname if sys.version_info >= (3, 11) else code.co_name,
            "text": linecache.getline(code.co_filename, line).rstrip("\n"),
        }
        for code, line in found
    ], cut

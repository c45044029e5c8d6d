"""From an error document to the function's own exception, with a traceback that shows the cell's lines."""

from __future__ import annotations

import ast
import base64
import builtins
import inspect
import linecache
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Any

from nbfn.errors import PayloadError, RemoteError
from nbfn.invoke.codec import load
from nbfn.invoke.context import FUNC_MODULE
from nbfn.runtime import wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbfn.invoke.codec import Seal
    from nbfn.invoke.context import CallContext

_LINES_MAX = 1_000_000  # nobody writes such a file; a document could claim it


_MISSING = re.compile(r"^an argument needs the module '(\w+)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an exception comes from, for the note under it."""

    function: str
    app: str
    instance_id: str
    call_id: str

    def __str__(self) -> str:
        text = f"raised in function {self.function!r} (app {self.app!r})"
        text += f", instance {self.instance_id}" if self.instance_id else ""
        return text + (f", call {self.call_id}" if self.call_id else "")


def raised(document: object, context: CallContext, seal: Seal, origin: Origin) -> BaseException:
    """The exception that an error document tells of, with notes that say where it was raised.

    Raises:
        PayloadError: the function did not fail itself, or the document is not readable.
    """
    __tracebackhide__ = True
    if not isinstance(document, dict):
        raise PayloadError(
            f"{origin.function}() failed, and what it says of that is not readable", call_id=origin.call_id
        )
    error = rebuild(document, context, seal, origin)
    if isinstance(error, PayloadError):
        raise error
    annotate(error, document, origin)
    return error


def rebuild(document: dict[str, Any], context: CallContext, seal: Seal, origin: Origin) -> BaseException:
    """The exception that an error document tells of, its causes attached, ready to be raised.

    The function's own class where it can be rebuilt, a builtin of the same name with the same text, or
    a :class:`~nbfn.errors.RemoteError`. Exceptions that would end the caller (``SystemExit``,
    ``KeyboardInterrupt``) become a ``RemoteError`` too. What could not be given to the function or
    sent back is a :class:`~nbfn.errors.PayloadError`.
    """
    error = _exception(document, context, seal, origin)
    frames = document.get("frames")
    if isinstance(frames, list):
        error.__traceback__ = _traceback(frames, context, origin.function)
    cause = document.get("cause")
    if isinstance(cause, dict):
        inner = rebuild(cause, context, seal, origin)
        if cause.get("implicit"):  # it was only being handled when the other was raised
            error.__context__ = inner
        else:
            error.__cause__ = inner
    return error


def annotate(error: BaseException, document: dict[str, Any], origin: Origin) -> None:
    """Say below the traceback where it was raised."""
    if document.get("import"):
        error.add_note("func.py could not be imported: the call itself did not begin")
    if cut := document.get("frames_cut"):
        error.add_note(f"{cut} frames in the middle of the traceback were left out")
    error.add_note(str(origin))


def _exception(document: dict[str, Any], context: CallContext, seal: Seal, origin: Origin) -> BaseException:
    module, name = str(document.get("module")), str(document.get("type"))
    message = str(document.get("message", ""))
    if module == "nbfn":
        missing = _MISSING.search(message)
        hint = f"deploy it with requires=[{missing[1]!r}], or use it in the function" if missing else ""
        return PayloadError(message, hint=hint, call_id=origin.call_id)
    error = (
        _unpickled(document.get("exception"), context, seal)
        or _builtin(module, name, message)
        or _of_notebook(module, name, message, context)
    )
    if error is not None:
        return error
    label = name if module in ("builtins", FUNC_MODULE) else f"{module}.{name}"
    return RemoteError(f"{label}: {message}" if message else label, call_id=origin.call_id)


def _unpickled(frame: object, context: CallContext, seal: Seal) -> Exception | None:
    if not isinstance(frame, str):
        return None
    try:
        error = load(wire.KIND_ERROR, base64.b64decode(frame), context, seal)
        return error if isinstance(error, Exception) and _has_text(error) else None
    except (PayloadError, ValueError):
        return None


def _builtin(module: str, name: str, message: str) -> Exception | None:
    cls = getattr(builtins, name, None) if module == "builtins" else None
    if not (isinstance(cls, type) and issubclass(cls, Exception)):
        return None
    try:
        # The text of a KeyError is the repr of its key.
        return cls(ast.literal_eval(message) if cls is KeyError else message)
    except (TypeError, ValueError, SyntaxError):
        return None  # UnicodeDecodeError and its like are made of more than a text


def _of_notebook(module: str, name: str, message: str, context: CallContext) -> Exception | None:
    """The notebook's class without its ``__init__``, whose arguments did not travel."""
    if module not in (FUNC_MODULE, "__main__"):
        return None
    try:
        cls = context.lookup(name)
    except LookupError:
        return None
    if not (isinstance(cls, type) and issubclass(cls, Exception)):
        return None
    error = cls.__new__(cls)
    error.args = (message,)
    return error if _has_text(error) else None


def _has_text(error: BaseException) -> bool:
    try:
        str(error)
    except Exception:
        return False
    return True


def _traceback(frames: Sequence[Any], context: CallContext, function: str) -> TracebackType | None:
    places = [_place(frame, context, function) for frame in frames if isinstance(frame, dict)]
    trace: TracebackType | None = None
    for filename, line, name in reversed(places):
        trace = _link(trace, filename, line, name)
    return trace


def _link(rest: TracebackType | None, filename: str, line: int, name: str) -> TracebackType | None:
    """``rest`` with a frame in front that was raised through at that place."""
    code = _RAISES.replace(co_filename=filename, co_name=name, co_qualname=name, co_firstlineno=line)
    first = _first_line(code)
    code = code.replace(co_firstlineno=first, co_linetable=_line_table(code, line - first))
    try:
        exec(code, {"__name__": FUNC_MODULE})  # noqa: S102
    except Exception as stop:
        raised = stop.__traceback__.tb_next if stop.__traceback__ else None
        # A real instruction: IPython looks for it, and for one that is not there it looks for ever.
        return TracebackType(rest, raised.tb_frame, raised.tb_lasti, line) if raised else rest
    return rest


def _first_line(code: CodeType) -> int:
    """Where the function begins that ``code`` is in: IPython counts the lines that it shows from there."""
    try:
        return inspect.getsourcelines(code)[1] or 1
    except (OSError, IndexError, SyntaxError, tokenize.TokenError):
        return code.co_firstlineno


def _line_table(code: CodeType, delta: int) -> bytes:
    """For code that is all on one line, ``delta`` below its first, and tells no columns.

    They would underline anything. This is the location table of CPython 3.11 and later.
    """
    units = len(code.co_code) // 2
    no_columns, longest = 13, 8
    lengths = [longest] * (units // longest) + ([units % longest] if units % longest else [])
    table = bytearray()
    for length in lengths:
        table.append(0x80 | no_columns << 3 | length - 1)
        left, delta = delta << 1, 0  # signed; later entries stay on the line
        while left >= 64:
            table.append(0x40 | left & 63)
            left >>= 6
        table.append(left)
    return bytes(table)


_RAISES = compile("raise Exception", "<remote>", "exec")


def _place(frame: dict[str, Any], context: CallContext, function: str) -> tuple[str, int, str]:
    """File, line and name of a frame as they are known here, with the line's text in the line cache."""
    file, name, text = (str(frame.get(key) or "") for key in ("file", "name", "text"))
    number = frame.get("line")
    line = number if isinstance(number, int) and 0 < number < _LINES_MAX else 1
    if file == "func.py":
        for span in context.source_map:
            if span.start <= line <= span.end:
                return span.filename, span.first_line + line - span.start, name
        return _generated(f"<{function} func.py>", context.source), line, name
    if linecache.getline(file, line).strip() == text.strip() and Path(file).exists():
        return file, line, name
    return _remembered(f"<remote {file}>", line, text), line, name


def _generated(filename: str, source: str) -> str:
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return filename


def _remembered(filename: str, line: int, text: str) -> str:
    """Keep the one line that is known of a file that is not here."""
    known = linecache.cache.get(filename)
    lines = list(known[2]) if known is not None and len(known) == 4 else []
    lines += ["\n"] * (line - len(lines))
    lines[line - 1] = f"{text.strip()}\n"
    linecache.cache[filename] = (sum(map(len, lines)), None, lines, filename)
    return filename

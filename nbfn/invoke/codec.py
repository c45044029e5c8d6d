"""Arguments into a body, and a body into a result: JSON where that loses nothing, else a sealed pickle."""

from __future__ import annotations

import importlib
import io
import json
import pickle
from dataclasses import dataclass
from operator import attrgetter
from types import FunctionType
from typing import TYPE_CHECKING, Any

from nbfn.errors import PayloadError
from nbfn.invoke import culprit
from nbfn.invoke.context import FUNC_MODULE, CallContext
from nbfn.runtime import large, wire

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Seal:
    """What authenticates the frames of one call and of its answer."""

    key: bytes
    salt: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, in parts that are sent one after another."""

    content_type: str
    parts: Sequence[bytes | memoryview]
    buffers: Sequence[memoryview] = ()
    """The last of the parts, if they can go by another way."""

    @property
    def length(self) -> int:
        return sum(len(part) for part in self.parts)

    @property
    def without_buffers(self) -> Sequence[bytes | memoryview]:
        """The other parts."""
        return self.parts[: len(self.parts) - len(self.buffers)]


class CannotTravel(Exception):
    """Something of the notebook that the function's image does not have. ``hint`` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def encode_call(
    function: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    context: CallContext,
    seal: Seal,
    *,
    same_python: bool = False,
) -> Body:
    """The body of a call of ``function``. With the ``same_python`` there, much is never sent as JSON.

    Raises:
        PayloadError: an argument cannot be sent; the message says which, where in it, and why.
    """
    plain = {"args": list(args), "kwargs": dict(kwargs)}
    if not (same_python and seal.key and wire.is_bulky(plain)) and wire.is_plain(plain):
        return Body(wire.CALL_JSON, [json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()])
    if not seal.key:
        raise PayloadError(
            f"{culprit.describe_first(function, args, kwargs, context, _why_not_json)}, and without a key "
            "only that is sent",
            hint="deploy the function again with nbfn, which gives it a key",
        )
    try:
        pickled, buffers = _dump((large.lightened(tuple(args)), large.lightened(dict(kwargs))), context)
    except Exception as error:
        told = culprit.describe_first(function, args, kwargs, context, lambda part: _why_not(part, context))
        raise PayloadError(told, hint=_hint(error)) from error
    return Body(wire.CALL_FRAME, wire.seal(wire.KIND_CALL, pickled, buffers, seal.key, seal.salt), buffers)


def decode_result(
    content_type: str,
    body: bytearray,
    context: CallContext,
    seal: Seal,
    memory: memoryview | None = None,
) -> object:
    """The value that an answer holds; with ``memory``, its buffers are there.

    Raises:
        PayloadError: it cannot be rebuilt here, or does not come from the function.
    """
    if content_type == wire.RESULT_JSON:
        try:
            return json.loads(body)["value"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PayloadError(f"the answer is not JSON as it says: {error}") from error
    return load(wire.KIND_RESULT, body, context, seal, memory)


def load(
    kind: int,
    frame: bytes | bytearray,
    context: CallContext,
    seal: Seal,
    memory: memoryview | None = None,
) -> object:
    """What a frame holds; with ``memory``, its buffers are there.

    Raises:
        PayloadError: it is refused, or something in it is not known here.
    """
    try:
        pickled, buffers = wire.unseal(frame, kind, seal.key, seal.salt, memory)
    except wire.FrameError as error:
        raise PayloadError(f"the answer was refused: {error}") from error
    try:
        return _Unpickler(io.BytesIO(pickled), buffers, context).load()
    except PayloadError:
        raise
    except ModuleNotFoundError as error:
        raise PayloadError(
            f"the result needs the module {error.name!r}, which is not installed here",
            hint="install it, or return something that does not need it",
        ) from error
    except Exception as error:
        raise PayloadError(f"the result cannot be rebuilt here: {type(error).__name__}: {error}") from error


class _FuncModule:
    """Stands for ``func.py``'s module in a pickle: there is no such module on this side."""


_FUNC = _FuncModule()


class _Pickler(pickle.Pickler):
    """Writes what the notebook defines as a reference to the same in ``func.py``."""

    def __init__(self, file: io.BytesIO, buffers: list[pickle.PickleBuffer], context: CallContext) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffers.append)
        self.dispatch_table = large.reducers()
        self._context = context

    def reducer_override(self, obj: object) -> Any:
        if obj is _FUNC:
            return importlib.import_module, (FUNC_MODULE,)
        if isinstance(obj, type | FunctionType) and self._context.is_of_notebook(obj):
            _check_known(obj, self._context)
            return attrgetter(obj.__qualname__), (_FUNC,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Finds what ``func.py`` defines in the notebook, where it came from."""

    def __init__(self, file: io.BytesIO, buffers: Sequence[memoryview], context: CallContext) -> None:
        super().__init__(file, buffers=buffers)
        self._context = context

    def find_class(self, module: str, name: str) -> Any:
        if module not in (FUNC_MODULE, "__main__"):
            return super().find_class(module, name)
        try:
            return self._context.lookup(name)
        except LookupError:
            raise PayloadError(
                f"the result is made of {name!r}, which this notebook does not define (any more)",
                hint=f"run the cell that defines {name}",
            ) from None


def _check_known(thing: type | FunctionType, context: CallContext) -> None:
    name = thing.__qualname__
    what = "class" if isinstance(thing, type) else "function"
    if "<" in name:  # <lambda>, <locals>
        raise CannotTravel(
            f"{name!r} is a {what} that exists only inside of another, or a lambda",
            f"define it with a name at the top of a cell, and use it in the function instead of sending it,"
            f" or send the name of the {what}",
        )
    root = name.partition(".")[0]
    if root not in context.names:
        raise CannotTravel(
            f"the {what} {name!r} of this notebook is not among what the function was deployed with",
            f"mention {root} in the function, for example as the type of a parameter: it is then captured",
        )
    try:
        current = context.lookup(name)
    except LookupError:
        current = None
    if current is not thing:
        raise CannotTravel(
            f"it is of an older {name!r} than the notebook has now",
            f"make it again: the cell that defines {root} was run again since",
        )


def _dump(value: object, context: CallContext) -> tuple[bytes, list[memoryview]]:
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    _Pickler(file, buffers, context).dump(value)
    return file.getvalue(), [buffer.raw() for buffer in buffers]


def _why_not(part: object, context: CallContext) -> str:
    """Why a part cannot be pickled, or ``""`` if it can."""
    try:
        _dump(part, context)
    except CannotTravel as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _why_not_json(part: object) -> str:
    return "" if wire.is_plain(part) else "it is not plain JSON"


def _hint(error: Exception) -> str:
    if isinstance(error, CannotTravel):
        return error.hint
    return "send what it is made from (a path, plain values, an array), and make it inside the function"

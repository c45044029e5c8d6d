"""Frames of the wire, on the function's side: only loaded once a call brings one or a result needs one."""

from __future__ import annotations

import io
import pickle

from .errors import BadArguments, BadResult, message_of
from .large import lightened, reducers
from .wire import KIND_CALL, KIND_ERROR, KIND_RESULT, FrameError, lay, room_for, seal, unseal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXCEPTION_MAX_BYTES = 1 << 20


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # What a notebook calls __main__ is func.py here.
        return super().find_class("func" if module == "__main__" else module, name)


def load_call(
    body: bytearray, key: bytes, salt: bytes, memory: memoryview | None = None
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by position and by name; their buffers are in ``memory`` if there is one.

    Raises:
        BadArguments: the frame is refused, or something in it is not known here.
    """
    try:
        pickled, buffers = unseal(body, KIND_CALL, key, salt, memory)
    except FrameError as error:
        raise BadArguments(message_of(error)) from None
    try:
        args, kwargs = _Unpickler(io.BytesIO(pickled), buffers=buffers).load()
    except ModuleNotFoundError as error:
        raise BadArguments(
            f"an argument needs the module {error.name!r}, which is not in the function's image"
        ) from error
    except Exception as error:
        raise BadArguments(
            f"an argument cannot be rebuilt here: {type(error).__name__}: {message_of(error)}"
        ) from error
    return args, kwargs


def dump_result(
    value: object, key: bytes, salt: bytes, memory: memoryview | None = None
) -> tuple[list[bytes | memoryview], int]:
    """The parts of a result's frame, and the bytes of its buffers; those are in ``memory`` if there is room.

    Raises:
        BadResult: the value cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        pickler = pickle.Pickler(file := io.BytesIO(), protocol=5, buffer_callback=buffers.append)
        pickler.dispatch_table = reducers()
        pickler.dump(lightened(value))
        pickled = file.getvalue()
        views = [buffer.raw() for buffer in buffers]
    except Exception as error:
        raise BadResult(
            f"the result, a {type(value).__qualname__}, cannot be sent: "
            f"{type(error).__name__}: {message_of(error)}"
        ) from error
    parts, size = seal(KIND_RESULT, pickled, views, key, salt), room_for(views)
    if memory is not None and views and size <= len(memory):
        lay(views, memory)
        del parts[len(parts) - len(views) :]
    return parts, size


def freeze(error: BaseException, key: bytes, salt: bytes) -> str | None:
    """An exception as the base64 text of its frame; None if it does not pickle, or is very large."""
    from binascii import b2a_base64

    try:
        pickled = pickle.dumps(error, protocol=5)
    except Exception:
        return None
    if len(pickled) > _EXCEPTION_MAX_BYTES:
        return None
    frame = b"".join(seal(KIND_ERROR, pickled, [], key, salt))
    return b2a_base64(frame, newline=False).decode()

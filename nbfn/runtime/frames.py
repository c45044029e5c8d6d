"""Frames of the wire, on the function's side: only loaded once a call brings one or a result needs one."""

from __future__ import annotations

import pickle

from .errors import BadArguments, BadResult, message_of
from .wire import KIND_CALL, KIND_ERROR, KIND_RESULT, FrameError, seal, unseal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXCEPTION_MAX_BYTES = 1 << 20


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # What a notebook calls __main__ is func.py here.
        return super().find_class("func" if module == "__main__" else module, name)


def load_call(body: bytearray, key: bytes, salt: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by position and by name.

    Raises:
        BadArguments: the frame is refused, or something in it is not known here.
    """
    try:
        pickled, buffers = unseal(body, KIND_CALL, key, salt)
    except FrameError as error:
        raise BadArguments(message_of(error)) from None
    try:
        args, kwargs = _Unpickler(_Reader(pickled), buffers=buffers).load()
    except ModuleNotFoundError as error:
        raise BadArguments(
            f"an argument needs the module {error.name!r}, which is not in the function's image"
        ) from error
    except Exception as error:
        raise BadArguments(
            f"an argument cannot be rebuilt here: {type(error).__name__}: {message_of(error)}"
        ) from error
    return args, kwargs


class _Reader:
    """Reads from a view of the body: ``io.BytesIO`` would copy it first."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else self._at + size
        data = bytes(self._view[self._at : end])
        self._at += len(data)
        return data

    def readinto(self, into: bytearray | memoryview) -> int:
        data = self._view[self._at : self._at + len(into)]
        into[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readline(self) -> bytes:
        rest = bytes(self._view[self._at :])
        line = rest[: rest.find(b"\n") + 1] or rest
        self._at += len(line)
        return line


def dump_result(value: object, key: bytes, salt: bytes) -> list[bytes | memoryview]:
    """The parts of a result's frame.

    Raises:
        BadResult: the value cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
    except Exception as error:
        raise BadResult(
            f"the result, a {type(value).__qualname__}, cannot be sent: "
            f"{type(error).__name__}: {message_of(error)}"
        ) from error
    return seal(KIND_RESULT, pickled, views, key, salt)


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

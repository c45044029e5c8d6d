"""Names and frames that both ends of a call agree on (``docs/wire.md`` §2).

Standard library only, and cheap to import: this file travels in every image. ``hmac``, ``hashlib`` and
``pickle`` are imported when the first frame is, since a function that speaks JSON needs none of them.
"""

from __future__ import annotations

import struct
import sys

TYPE_CHECKING = False  # typing costs more to import than all of the runtime
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

RUNTIME_CONTRACT = "1"
KEY_VARIABLE = "NBFN_KEY"

CALL_JSON = "application/vnd.nbfn.call+json"
CALL_FRAME = "application/vnd.nbfn.call"
RESULT_JSON = "application/vnd.nbfn.result+json"
RESULT_FRAME = "application/vnd.nbfn.result"
ERROR_JSON = "application/vnd.nbfn.error+json"

STREAM = "application/vnd.nbfn.stream"
"""What a generator's values come as, for a caller that accepts it."""

RECORD_JSON, RECORD_FRAME, RECORD_END = 1, 2, 3
RECORD_HEAD = struct.Struct("<BQ")
"""Of a record in a stream: its kind, and the bytes that follow."""

KIND_CALL, KIND_RESULT, KIND_ERROR = 1, 2, 3

SALT_HEADER = "Nbfn-Salt"
"""Header of an nbfn call: 16 random bytes in hex, under the MAC of the call and of its answer."""

CALL_ID_HEADER = "Nbfn-Call-Id"
"""Header of a call at the executor: the id that the caller has given it."""

MEMORY_HEADER = "Nbfn-Memory"
"""Header of a call, and of its answer, whose buffers are in memory that both sides see (§2.6)."""

MEMORY_NAME = "nbfn-call"
"""What that memory is called where the system lists it."""

POPULATE_WRITE = 23
"""``MADV_POPULATE_WRITE`` of Linux 5.14: pages are mapped all at once, which costs a fifth of one by one."""

PYTHON_HEADER = "Nbfn-Python"
"""Header of a call, and of its answer: the Python that made it. Plain data is pickled for the same one."""

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"

OUTPUT_TAIL_BYTES = 4096
ERROR_HEADER_BYTES = 512

_HEAD = struct.Struct("<4sBBBBIQ")
_MAGIC = b"nbfn"
_VERSION = 1
_MAC_BYTES = 32
_MAX_BUFFERS = 1 << 20
_ALIGN_BYTES = 64
_BULKY_ITEMS = 10_000
_INT_MAX = 10**4000  # Python turns no more than 4,300 digits into a number


class FrameError(ValueError):
    """A frame that may not be unpickled: cut short, wrong key, other Python minor."""


def is_plain(value: Any, _depth: int = 0) -> bool:
    """True if ``value`` comes back from JSON equal and of the same types (at most 64 levels)."""
    kind = type(value)
    if kind is str:
        return _is_unicode(value)
    if value is None or kind is bool:
        return True
    if kind is int:
        return bool(-_INT_MAX <= value <= _INT_MAX)
    if kind is float:
        return bool(value - value == 0.0)  # neither nan nor an infinity
    if _depth >= 64:
        return False
    if kind is list:
        items = value
    elif kind is dict:
        for key in value:
            if type(key) is not str or not _is_unicode(key):
                return False
        items = value.values()
    else:
        return False
    for item in items:  # noqa: SIM110 - all() of a generator takes twice the time
        if not is_plain(item, _depth + 1):
            return False
    return True


def is_bulky(value: Any) -> bool:
    """True for lists and dicts of more than 10,000 items in all: JSON takes 20 times a pickle's time."""
    left, waiting = _BULKY_ITEMS, [value]
    while waiting:
        each = waiting.pop()
        kind = type(each)
        if kind is not list and kind is not dict:
            continue
        left -= len(each)
        if left < 0:
            return True
        waiting.extend(each if kind is list else each.values())
    return False


def _is_unicode(text: str) -> bool:
    """False if lone surrogates are in it: two of them would come back as one character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def record_salt(salt: bytes, index: int) -> bytes:
    """The salt of a stream's record: none can be left out, repeated or moved."""
    return salt + struct.pack("<Q", index)


def seal(
    kind: int, pickled: bytes, buffers: list[memoryview], key: bytes, salt: bytes
) -> list[bytes | memoryview]:
    """The parts of a frame, to be written one after another (large buffers are not copied).

    What follows the end of a pickle is not read, so it is padded until the first buffer is aligned in the
    frame: an array that is mapped onto a buffer at an odd place would be slow.
    """
    if buffers:
        start = _HEAD.size + 8 * len(buffers) + _MAC_BYTES + len(pickled)
        pickled += bytes(-start % _ALIGN_BYTES)
    head = _HEAD.pack(
        _MAGIC, _VERSION, kind, sys.version_info[0], sys.version_info[1], len(buffers), len(pickled)
    )
    head += struct.pack(f"<{len(buffers)}Q", *(buffer.nbytes for buffer in buffers))
    return [head, _mac(key, head, salt, pickled), pickled, *buffers]


def lay(buffers: Sequence[memoryview], memory: memoryview) -> int:
    """Copy ``buffers`` into ``memory`` as :func:`unseal` finds them; how much of it they fill."""
    at = 0
    for buffer in buffers:
        memory[at : at + buffer.nbytes] = buffer
        at += _aligned(buffer.nbytes)
    return at


def room_for(buffers: Sequence[memoryview]) -> int:
    """Bytes that :func:`lay` fills."""
    return sum(_aligned(buffer.nbytes) for buffer in buffers)


def _aligned(size: int) -> int:
    return size + -size % _ALIGN_BYTES


def unseal(
    data: bytes | bytearray | memoryview,
    kind: int,
    key: bytes,
    salt: bytes,
    memory: memoryview | None = None,
) -> tuple[memoryview, list[memoryview]]:
    """The pickle and its buffers, as views of ``data``, once they are known to be safe to load.

    With ``memory``, the buffers are there, as :func:`lay` has put them.

    Raises:
        FrameError: not a frame of this kind, cut short, of another Python minor, or not sealed with
            ``key`` and ``salt``.
    """
    import hmac

    view = memoryview(data)
    if not key:
        raise FrameError("this side has no key, so it does not unpickle")
    if len(view) < _HEAD.size:
        raise FrameError("the frame is cut short")
    magic, version, found, major, minor, count, size = _HEAD.unpack_from(view)
    if magic != _MAGIC or version != _VERSION or found != kind or count > _MAX_BUFFERS:
        raise FrameError("not an nbfn frame of the kind expected here")
    mac_at = _HEAD.size + 8 * count
    start = mac_at + _MAC_BYTES
    if len(view) < start + size:
        raise FrameError("the frame is cut short")
    lengths = struct.unpack_from(f"<{count}Q", view, _HEAD.size)
    beside = sum(lengths) if memory is None else 0
    if len(view) != start + size + beside:
        raise FrameError("the frame is cut short")
    pickled = view[start : start + size]
    mac = _mac(key, bytes(view[:mac_at]), salt, pickled)
    if not hmac.compare_digest(mac, bytes(view[mac_at:start])):
        raise FrameError("the frame is not sealed with this deployment's key")
    if (major, minor) != sys.version_info[:2]:
        raise FrameError(
            f"pickled by Python {major}.{minor}, and this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}: only plain JSON values can cross"
        )
    if memory is not None:
        return pickled, _spread(memory, lengths)
    buffers, at = [], start + size
    for length in lengths:
        buffers.append(view[at : at + length])
        at += length
    return pickled, buffers


def _spread(memory: memoryview, lengths: tuple[int, ...]) -> list[memoryview]:
    buffers, at = [], 0
    for length in lengths:
        if at + length > len(memory):
            raise FrameError("the frame is longer than its memory")
        buffers.append(memory[at : at + length])
        at += _aligned(length)
    return buffers


def _mac(key: bytes, head: bytes, salt: bytes, pickled: bytes | memoryview) -> bytes:
    import hashlib
    import hmac

    mac = hmac.new(key, head, hashlib.sha256)
    mac.update(salt)
    mac.update(pickled)
    return mac.digest()

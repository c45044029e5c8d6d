"""One JSON object, with file descriptors beside it, from one process to another over a unix socket."""

from __future__ import annotations

import json
import sys
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOL_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping, Sequence
    from typing import Any

_CHUNK = 1 << 16
_DESCRIPTORS_MAX = 8
_INT_BYTES = 4


def send(to: socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send ``message``; the receiver gets copies of ``descriptors``.

    Raises:
        OSError: nobody is there to get it.
    """
    data = json.dumps(message).encode() + b"\n"
    rights = b"".join(descriptor.to_bytes(_INT_BYTES, sys.byteorder) for descriptor in descriptors)
    sent = to.sendmsg([data], [(SOL_SOCKET, SCM_RIGHTS, rights)] if rights else [])
    if sent < len(data):
        to.sendall(data[sent:])


def receive(origin: socket) -> tuple[dict[str, Any] | None, list[int]]:
    """The next message and its descriptors; ``None`` when the sender has gone.

    The sender must wait for an answer before it sends another.
    """
    data, descriptors = b"", list[int]()
    space = CMSG_SPACE(_DESCRIPTORS_MAX * _INT_BYTES)
    while not data.endswith(b"\n"):
        try:
            part, beside, _, _ = origin.recvmsg(_CHUNK, space, MSG_CMSG_CLOEXEC)
        except ConnectionError:
            return None, descriptors
        for level, kind, rights in beside:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                descriptors += _integers(rights)
        if not part:
            return None, descriptors
        data += part
    return json.loads(data), descriptors


def _integers(packed: bytes) -> list[int]:
    return [
        int.from_bytes(packed[at : at + _INT_BYTES], sys.byteorder)
        for at in range(0, len(packed) - len(packed) % _INT_BYTES, _INT_BYTES)
    ]

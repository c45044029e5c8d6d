"""The runtime behind another one: Fn's own FDK for Python calls ``handler``, which answers as an image would.

Where a cloud runs code on a runtime of its own (OCI's functions without an image), the FDK has the socket and
this has the function: its values, sealed pickles, remote tracebacks, output and the report in the headers.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from time import monotonic

from . import output
from .calls import Calls
from .entry import load
from .http import Request
from .wire import KEY_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, BinaryIO

    from .calls import Answer

_calls: Calls | None = None


def handler(ctx: Any, data: BinaryIO | None = None) -> Any:
    """One call: an FDK's context and body in, an FDK's response out. Never raises for the function's sake."""
    calls = _calls or _start()
    headers = {name.lower(): str(value) for name, value in dict(ctx.Headers()).items()}
    request = Request("POST", "/call", headers, True)
    request.body = bytearray(data.read() if data is not None else b"")
    status, lines, body = _whole(calls.answer(request))
    told = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
    response = import_module("fdk.response").Response
    return response(ctx, response_data=body, headers=told, status_code=status)


def _whole(answer: Answer) -> tuple[int, str, bytes]:
    """Status, headers and body. An FDK takes no pieces: what a function yields goes out once it has ended."""
    stream = answer.stream
    if stream is None:
        return answer.status, answer.headers, b"".join(answer.body)
    body = bytearray()

    def keep(parts: Sequence[bytes | memoryview]) -> None:
        for part in parts:
            body.extend(part)

    stream.run(keep)
    head = f"Content-Type: {stream.content_type}\r\n{stream.headers}{answer.headers}"
    return stream.status, head + stream.trailers, bytes(body)


def _start() -> Calls:
    global _calls
    began = monotonic()
    folder = os.environ.get("NBFN_FUNCTION_DIR", "/function").rstrip("/")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    key = bytes.fromhex(os.environ.pop(KEY_VARIABLE, ""))
    tail = output.install()
    instance_id = os.environ.get("NBFN_INSTANCE_ID") or os.urandom(8).hex()
    _calls = Calls(load(folder), key=key, instance_id=instance_id, began=began, tail=tail)
    return _calls


_start()

"""Something that listens where an executor would, and is none."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.config import Settings


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def answering(settings: Settings, status: int, body: object) -> Iterator[None]:
    """Every GET is answered so; a ``body`` of None is never answered at all."""
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if body is None:
                released.wait()
                return
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with _Server(str(settings.socket), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        note = {
            "pid": 123,
            "version": "0.0.9",
            "api": 1,
            "socket": str(settings.socket),
            "url": "http://localhost",
        }
        (settings.state / "executor.json").write_text(json.dumps(note))
        settings.token_file.write_text("a-token")
        try:
            yield
        finally:
            released.set()
            server.shutdown()
            thread.join()

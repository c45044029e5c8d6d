"""A Fn server over TCP that is not nbfn's: Fn's v2 API in memory, small pages, a bearer token."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "opensesame"
_PAGE = 3
_KINDS = ("apps", "fns", "triggers")


class Stock(ThreadingHTTPServer):
    """``objects`` is what it holds, ``seen`` every request: method, path, body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _KINDS}
        self.seen: list[tuple[str, str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def shown(self, kind: str, held: dict[str, Any]) -> dict[str, Any]:
        notes = dict(held.get("annotations") or {})
        if kind == "fns":
            notes["fnproject.io/fn/invokeEndpoint"] = f"{self.url}/invoke/{held['id']}"
        if kind == "triggers":
            app = self.objects["apps"][held["app_id"]]["name"]
            notes["fnproject.io/trigger/httpEndpoint"] = f"{self.url}/t/{app}{held['source']}"
        return {**held, "annotations": notes}


class _Handler(BaseHTTPRequestHandler):
    server: Stock
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        where = urlsplit(self.path)
        parts = where.path.strip("/").split("/")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"message": "who are you?"})
        elif parts[0] == "invoke":
            kind = self.headers.get("Content-Type")
            self.server.seen.append(("POST", where.path, raw))
            self._send(200, {"got": raw.decode(), "type": kind})
        else:
            body = json.loads(raw) if raw else {}
            self.server.seen.append((self.command, where.path, body))
            self._send(*self._api(parts[1:], dict(parse_qsl(where.query)), body))

    def _api(self, parts: list[str], query: dict[str, str], body: dict[str, Any]) -> tuple[int, Any]:
        kind, held = parts[0], self.server.objects.get(parts[0], {})
        if len(parts) == 2 and parts[1] not in held:
            return 404, {"message": f"{kind} not found"}
        match self.command, len(parts):
            case "GET", 1:
                return 200, self._page(kind, query)
            case "POST", 1:
                object_id = f"{kind}-{len(held) + 1}"
                held[object_id] = {**body, "id": object_id}
                return 200, self.server.shown(kind, held[object_id])
            case "PUT", 2:
                held[parts[1]] |= {key: value for key, value in body.items() if value}
                return 200, held[parts[1]]
            case "DELETE", 2:
                del held[parts[1]]
                return 204, None
        return 405, {"message": "Method not allowed"}

    def _page(self, kind: str, query: dict[str, str]) -> dict[str, Any]:
        wanted = {key: query[key] for key in ("name", "app_id", "fn_id") if key in query}
        found = sorted(
            (x for x in self.server.objects[kind].values() if wanted.items() <= x.items()),
            key=lambda x: x["name"],
        )
        found = [x for x in found if x["name"] > query.get("cursor", "")]
        page = {"items": [self.server.shown(kind, x) for x in found[:_PAGE]]}
        return {**page, "next_cursor": found[_PAGE - 1]["name"]} if len(found) >= _PAGE else page

    def _send(self, status: int, value: Any) -> None:
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def stock() -> Iterator[Stock]:
    """One that runs until the block ends."""
    server = Stock()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

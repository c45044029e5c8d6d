"""Real registries for tests: Debian's docker-registry in a process of its own, and a bad line to one."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

USER, PASSWORD = "tenancy/ana", "s3cret-token"


@dataclass
class Registry:
    """A running docker-registry; ``stop`` and ``start`` keep what is stored and the port."""

    folder: Path
    options: dict[str, object] = field(default_factory=dict)
    scheme: str = "http"
    host: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        port = self.host.rpartition(":")[2] or "0"
        http = {"addr": f"127.0.0.1:{port}", "secret": "a", **self.options.get("http", {})}  # type: ignore[dict-item]
        rest = {key: value for key, value in self.options.items() if key != "http"}
        storage = {"filesystem": {"rootdirectory": str(self.folder / "data")}, "delete": {"enabled": True}}
        config = {"version": 0.1, "log": {"level": "info"}, "storage": storage, "http": http, **rest}
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "config.yml"
        path.write_text(yaml.safe_dump(config))
        self.process = subprocess.Popen(
            ["docker-registry", "serve", path], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        assert self.process.stderr
        said = []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                self.host = f"127.0.0.1:{found[1]}"
                break
        else:
            raise AssertionError("".join(said))
        # Nobody else reads what it says, and a full pipe would stop it.
        threading.Thread(target=_drain, args=(self.process,), daemon=True).start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"


def _drain(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    with process.stderr:
        for _ in process.stderr:
            pass


@contextlib.contextmanager
def running(folder: Path, **options: object) -> Iterator[Registry]:
    registry = Registry(folder, options, "https" if "tls" in dict(options.get("http", {})) else "http")  # type: ignore[call-overload]
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()


def htpasswd(folder: Path) -> dict[str, object]:
    """The option that asks for :data:`USER` and :data:`PASSWORD`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "htpasswd"
    subprocess.run(["htpasswd", "-cbB", path, USER, PASSWORD], check=True, capture_output=True)
    return {"auth": {"htpasswd": {"realm": "test", "path": str(path)}}}


def certificates(folder: Path) -> dict[str, object]:
    """The option for TLS with a certificate that ``folder/ca.pem`` has signed."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, key, cert = folder / "ca.pem", folder / "key.pem", folder / "cert.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    new += ["-days", "2"]
    own = [*new, "-keyout", folder / "ca.key", "-out", ca, "-subj", "/CN=nbfn test authority"]
    own += ["-addext", "keyUsage=critical,keyCertSign"]
    signed = [*new, "-keyout", key, "-out", cert, "-subj", "/CN=registry", "-CA", ca]
    signed += ["-CAkey", folder / "ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
    signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
    for command in (own, signed):
        subprocess.run(command, check=True, capture_output=True)
    return {"http": {"tls": {"certificate": str(cert), "key": str(key)}}}


@dataclass
class BadLine:
    """A proxy to a registry that breaks, changes or refuses what it is told to. ``log`` has every request."""

    upstream: str
    host: str = ""
    truncate: dict[str, list[int]] = field(default_factory=dict)
    """Part of a GET's path → after how many bytes each of the next answers breaks off."""
    replace: dict[str, bytes] = field(default_factory=dict)
    """Part of a GET's path → the body that is sent instead."""
    break_patch: list[int] = field(default_factory=list)
    """For each of the next PATCHes, how many bytes of it get through before the line breaks."""
    tokens: bool = False
    """Ask for a bearer token, which ``/token`` gives."""
    uses: int = 10**9
    """How many requests a token is good for."""
    unreadable: str = ""
    """A repository that ``/token`` gives no token for."""
    status: dict[str, int] = field(default_factory=dict)
    """``METHOD part`` → refused with this status."""
    log: list[tuple[str, str]] = field(default_factory=list)
    issued: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """The query of each request for a token, and who asked."""


class _Handler(BaseHTTPRequestHandler):
    line: ClassVar[BadLine]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        line = self.line
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        line.log.append((self.command, self.path))
        if self.path.startswith("/token"):
            line.asked.append(f"{self.path} {self.headers.get('authorization', '')}")
            if line.unreadable and f"{line.unreadable}:pull" in unquote(self.path):
                self._send(403, {"content-type": "application/json"}, b'{"details": "not yours to read"}')
                return
            token = f"token-{len(line.issued)}"
            line.issued[token] = line.uses
            self._send(200, {"content-type": "application/json"}, b'{"token": "%s"}' % token.encode())
            return
        if line.tokens and not self._let_in():
            self._send(401, self._challenge(), b'{"errors": [{"code": "UNAUTHORIZED"}]}')
            return
        for rule, status in line.status.items():
            method, _, part = rule.partition(" ")
            if method == self.command and part in self.path:
                asks = self._challenge() if status == 401 and line.tokens else {}
                self._send(status, asks, b'{"errors": [{"code": "TEST", "message": "as it was told"}]}')
                return
        if self.command == "PATCH" and line.break_patch:
            kept = line.break_patch.pop(0)
            with contextlib.suppress(httpx.HTTPError):
                self._forward(body[:kept])
            self.close_connection = True
            self.connection.close()
            return
        answer = self._forward(body)
        self._answer(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's

    def _challenge(self) -> dict[str, str]:
        realm = f'Bearer realm="http://{self.line.host}/token",service="test, of tokens"'
        return {"www-authenticate": realm}

    def _let_in(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        left = self.line.issued.get(token, 0)
        self.line.issued[token] = left - 1
        return left > 0

    def _forward(self, body: bytes) -> httpx.Response:
        skipped = {"host", "connection", "content-length", *({"authorization"} if self.line.tokens else ())}
        headers = {key: value for key, value in self.headers.items() if key.lower() not in skipped}
        if body and "content-range" in {key.lower() for key in headers}:
            begin = int(self.headers["content-range"].partition("-")[0])
            headers["Content-Range"] = f"{begin}-{begin + len(body) - 1}"
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.request(
                self.command, self.line.upstream + self.path, headers={**headers, "Host": self.line.host},
                content=body,
            )  # fmt: skip

    def _answer(self, answer: httpx.Response) -> None:
        line, body = self.line, answer.content
        if self.command == "GET":
            body = next((new for part, new in line.replace.items() if part in self.path), body)
            for part, cuts in line.truncate.items():
                if part in self.path and cuts:
                    self._send(answer.status_code, dict(answer.headers), body, cut=cuts.pop(0))
                    self.close_connection = True
                    return
        self._send(answer.status_code, dict(answer.headers), body)

    def _send(self, status: int, headers: dict[str, str], body: bytes, *, cut: int | None = None) -> None:
        self.send_response(status)
        length = headers.pop("content-length", "0") if self.command == "HEAD" else str(len(body))
        dropped = {"content-length", "connection", "date", "transfer-encoding"}
        for key, value in headers.items():
            if key.lower() not in dropped:
                self.send_header(key, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:cut])


@contextlib.contextmanager
def bad_line(registry: Registry) -> Iterator[BadLine]:
    """A proxy before ``registry`` that does as it should, until it is told otherwise."""
    line = BadLine(registry.url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"line": line}))
    server.daemon_threads = True
    line.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

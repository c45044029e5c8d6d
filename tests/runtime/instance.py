"""A real instance: the runtime copied as into an image, run by a bare Python, spoken to over its socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import nbfn.runtime
from nbfn.runtime import wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KEY = bytes(range(32))
SALT = bytes(16)
_START_LIMIT_S = 30


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Instance:
    folder: Path
    process: subprocess.Popen[bytes]
    output: Path
    """What it wrote to standard output and error."""
    _sock: socket.socket | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "io" / "lsnr.sock"

    def dial(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(60)
        sock.connect(str(self.socket))
        return sock

    def call(self, body: bytes = b"", content_type: str = "", **headers: str) -> Reply:
        """``POST /call`` on a connection that is kept."""
        if self._sock is None:
            self._sock = self.dial()
        self._sock.sendall(request(body, content_type, **headers))
        return read_reply(self._sock)

    def call_nbfn(self, *args: object, **kwargs: object) -> Reply:
        body = json.dumps({"args": args, "kwargs": kwargs}).encode()
        return self.call(body, wire.CALL_JSON, nbfn_salt=SALT.hex())

    def stop(self) -> int:
        if self._sock is not None:
            self._sock.close()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def request(body: bytes = b"", content_type: str = "", **headers: str) -> bytes:
    lines = ["POST /call HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_reply(sock: socket.socket) -> Reply:
    response = http.client.HTTPResponse(sock)
    response.begin()
    reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    response.close()
    return reply


def lay_out(
    folder: Path, source: str, *, handler: str = "greet", style: str = "values", **entry: object
) -> None:
    """What the image's layers would hold, below ``folder``."""
    shutil.copytree(
        Path(nbfn.runtime.__file__).parent,
        folder / "opt" / "nbfn" / "nbfn_runtime",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    function = folder / "function"
    function.mkdir(exist_ok=True)
    (folder / "io").mkdir(exist_ok=True)
    (function / "func.py").write_text(textwrap.dedent(source))
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    document = {
        "schema": 1, "handler": handler, "style": style, "python": python, "by_value": False,
        "preload": [], "fingerprint": "sha256:0", **entry,
    }  # fmt: skip
    (function / "nbfn.json").write_text(json.dumps(document))


def launch(
    folder: Path,
    *,
    executable: str = sys.executable,
    env: Mapping[str, str] | None = None,
    packages: Sequence[str] = (),
) -> subprocess.Popen[bytes]:
    """The image's entry point, with an environment of its own and in a folder that is none of its."""
    with (folder / "output").open("wb") as output:
        return subprocess.Popen(
            [executable, "-S", "-B", "-m", "nbfn_runtime"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.defpath,
                "PYTHONPATH": ":".join([f"{folder}/opt/nbfn", f"{folder}/function", *packages]),
                "NBFN_FUNCTION_DIR": f"{folder}/function",
                "FN_LISTENER": f"unix:{folder}/io/lsnr.sock",
                "FN_FORMAT": "http-stream",
                "FN_APP_NAME": "notebook",
                "FN_FN_NAME": "greet",
                "FN_MEMORY": "256",
                "NBFN_INSTANCE_ID": "3f2a",
                wire.KEY_VARIABLE: KEY.hex(),
                **(env or {}),
            },
        )


@contextlib.contextmanager
def running(
    folder: Path,
    source: str,
    *,
    handler: str = "greet",
    style: str = "values",
    executable: str = sys.executable,
    env: Mapping[str, str] | None = None,
    packages: Sequence[str] = (),
    **entry: object,
) -> Iterator[Instance]:
    """An instance that serves; ended at exit, however the test ended."""
    lay_out(folder, source, handler=handler, style=style, **entry)
    process = launch(folder, executable=executable, env=env, packages=packages)
    instance = Instance(folder, process, folder / "output")
    try:
        wait_for_link(instance)
        yield instance
    finally:
        if instance._sock is not None:
            instance._sock.close()
        process.kill()
        process.wait()


def wait_for_link(instance: Instance) -> None:
    until = time.monotonic() + _START_LIMIT_S
    while not instance.socket.exists():
        assert instance.process.poll() is None, instance.output.read_text()
        assert time.monotonic() < until, "no socket"
        time.sleep(0.002)

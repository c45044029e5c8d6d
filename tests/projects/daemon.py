"""Folders for Docker to build, and a bad line to its daemon."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import docker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAEMON = "/var/run/docker.sock"

# As Fn's FDKs do it, in as little as it takes: it answers with what it is sent, in capitals.
_SHOUT = """\
import os, socketserver
from http.server import BaseHTTPRequestHandler

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).upper()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return "-"

link = os.environ["FN_LISTENER"].removeprefix("unix:")
real = os.path.join(os.path.dirname(link), "phonylsnr.sock")
with socketserver.UnixStreamServer(real, Handler) as server:
    os.chmod(real, 0o666)
    os.symlink("phonylsnr.sock", link)
    server.serve_forever()
"""


def shouting(folder: Path, *steps: str) -> Path:
    """A function with a Dockerfile, which has ``steps`` too."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "func.yaml").write_text(
        "schema_version: 20180708\nname: shout\nversion: 0.0.1\nruntime: docker\n"
    )
    (folder / "shout.py").write_text(_SHOUT)
    lines = ["FROM nbfn-test/base", *steps, "COPY shout.py /", 'ENTRYPOINT ["python3", "/shout.py"]']
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def local_images(folder: Path, build: str, run: str) -> None:
    """Have ``func.yaml`` name the images of ``.ci/toolchains``."""
    path = folder / "func.yaml"
    kept = [
        line for line in path.read_text().splitlines() if not line.startswith(("build_image", "run_image"))
    ]
    path.write_text("\n".join([*kept, f"build_image: nbfn-test/{build}", f"run_image: nbfn-test/{run}", ""]))


@contextlib.contextmanager
def names_taken_off(*functions: str) -> Iterator[None]:
    """What is built meanwhile for these stays as the cache of later runs, without a name."""
    with contextlib.closing(docker.from_env()) as client:

        def named() -> set[str]:
            # Not image by image: one of them may be removed meanwhile.
            return {tag for image in client.api.images() for tag in image["RepoTags"] or ()}

        before = named()
        yield
        for tag in named() - before:
            if tag.rpartition(":")[0].rpartition("/")[2] in functions:
                client.api.remove_image(tag, noprune=True)


@contextlib.contextmanager
def dying_daemon(path: Path, word: bytes) -> Iterator[str]:
    """The daemon at another address, gone for good once it has said ``word``."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=_accept, args=(listener, word), daemon=True).start()
        yield f"unix://{path}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, word: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            ours, _ = listener.accept()
            theirs = socket.socket(socket.AF_UNIX)
            theirs.connect(DAEMON)
            threading.Thread(target=_copy, args=(ours, theirs, None, listener), daemon=True).start()
            threading.Thread(target=_copy, args=(theirs, ours, word, listener), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, word: bytes | None, listener: socket.socket) -> None:
    with source, sink, contextlib.suppress(OSError):
        while chunk := source.recv(1 << 16):
            if word and word in chunk:
                listener.shutdown(socket.SHUT_RDWR)
                break
            sink.sendall(chunk)
        for each in (source, sink):
            each.shutdown(socket.SHUT_RDWR)

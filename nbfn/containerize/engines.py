"""Where the engine that builds and runs containers is: Docker's daemon, or Podman's, which speaks its API.

``DOCKER_HOST`` says it, whichever engine that is. Without it Docker is at its usual socket. Podman is at the
socket that systemd keeps for it, root's or the user's own; where neither answers, the program ``podman``
serves for as long as it is needed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import config
from nbfn.enginetype import DOCKER, KEY, VARIABLE, engine_type
from nbfn.errors import NoEngine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCKER_SOCKET = "unix:///var/run/docker.sock"
_SYSTEM = Path("/run/podman/podman.sock")
_START_S = 30.0
_EVERY_S = 0.02
_SAID_CHARS = 500


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, and where it should answer."""

    name: str
    url: str
    given: bool = False
    """By ``DOCKER_HOST``."""

    def absent(self, what: str, why: object) -> NoEngine:
        """Nobody answers there, during ``what``."""
        if self.given:
            hint = f"start {self.name}, or correct DOCKER_HOST"
        elif self.name == "Docker":
            hint = (
                "start Docker (`systemctl start docker`), or set DOCKER_HOST; to use Podman: "
                f"{VARIABLE}=podman, or {KEY}: podman in ~/.fn/config.yaml"
            )
        else:
            hint = "start Podman (`systemctl start podman.socket`, with --user: your own)"
        return _none(what, self.name, f"{self.url}: {why}", hint)


@contextlib.contextmanager
def found(what: str, of_context: str = "") -> Iterator[Engine]:
    """The engine that is asked for; ``of_context`` is what the context's file says of it.

    Raises:
        BadInput: an engine is asked for that there is not.
        NoEngine: it is Podman, and neither its sockets nor its program is there.
    """
    environ = config.variables()
    asked = engine_type(of_context, environ)
    name = "Docker" if asked == DOCKER else "Podman"
    if environ.get("DOCKER_HOST"):
        yield Engine(name, environ["DOCKER_HOST"], given=True)
    elif asked == DOCKER:
        yield Engine(name, DOCKER_SOCKET)
    else:
        with _podman(what, environ) as url:
            yield Engine(name, url)


@contextlib.contextmanager
def _podman(what: str, environ: Mapping[str, str]) -> Iterator[str]:
    looked = []
    for path in _sockets(environ):
        why = _unanswered(path)
        if not why:
            yield f"unix://{path}"
            return
        looked.append(f"{path} ({why})")
    program = shutil.which("podman", path=environ.get("PATH"))
    if program is None:
        raise _none(
            what,
            "Podman",
            f"looked for {', '.join(looked)}, and for the program podman on the PATH",
            "install podman; where it is, `systemctl start podman.socket` (--user: your own) has it answer, "
            "and so does `podman system service --time 0 unix://PATH` with DOCKER_HOST=unix://PATH; or use "
            f"Docker: {VARIABLE}=docker",
        )
    with _serving(what, program) as url:
        yield url


def _sockets(environ: Mapping[str, str]) -> list[Path]:
    """Whose there may be, the user's own first: what they build is then in their own store."""
    run = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    own = Path(run) / "podman" / "podman.sock"
    return [_SYSTEM, own] if os.getuid() == 0 else [own, _SYSTEM]


def _unanswered(path: Path) -> str:
    """Why nobody answers at the socket; empty if somebody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return "not there"
        except OSError as error:
            return error.strerror or str(error)
    return ""


@contextlib.contextmanager
def _serving(what: str, program: str) -> Iterator[str]:
    """``podman system service``, until the block is left."""
    with tempfile.TemporaryDirectory(prefix="nbfn-") as folder, tempfile.TemporaryFile() as said:
        path = Path(folder) / "podman.sock"
        process = subprocess.Popen(
            [program, "system", "service", "--time", "0", f"unix://{path}"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is for us, who end it when the build is given up
        )
        try:
            until = time.monotonic() + _START_S
            while _unanswered(path):
                if process.poll() is not None or time.monotonic() > until:
                    said.seek(0)
                    text = said.read().decode("utf-8", "replace").strip()[-_SAID_CHARS:]
                    ended = "ended" if process.poll() is not None else f"is silent after {_START_S:.0f} s"
                    raise _none(
                        what,
                        "Podman",
                        f"`{program} system service` {ended}{': ' if text else ''}{text}",
                        "does `podman info` work? or `systemctl start podman.socket` (--user: your own)",
                    )
                time.sleep(_EVERY_S)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()


def _none(what: str, name: str, why: str, hint: str) -> NoEngine:
    return NoEngine(f"{what}: no {name} daemon answers: {why}", hint=hint, why=why)

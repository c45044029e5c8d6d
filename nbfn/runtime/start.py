"""From a new process to one that serves: environment, function, socket."""

from __future__ import annotations

import faulthandler
import os
import sys
from time import monotonic

from . import output
from .bare import cancel_alarm, listen, on_alarm
from .calls import Calls
from .entry import BadImage, load
from .server import Server
from .wire import KEY_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable

_BACKLOG = 64
_SOCKET_NAME = "phonylsnr.sock"
# Fn gives an instance 5 s until its socket is there. A slower import goes on behind a socket that is.
_ANNOUNCE_AFTER_S = 3.0


def run(listener: socket | None = None, announce: Callable[[], None] | None = None) -> None:
    """Serve the function of this process's environment; returns after SIGTERM.

    ``listener`` is a socket that listens already, and ``announce`` says once that calls may come;
    without them, the socket of ``FN_LISTENER`` is made, and the link beside it says so.

    Raises:
        SystemExit: there is nothing that could be served; standard error says why.
    """
    began = monotonic()
    faulthandler.enable(file=2, all_threads=False)  # a crash in C code says in the log where it was
    tail = output.install()
    folder = os.environ.get("NBFN_FUNCTION_DIR", "/function").rstrip("/")
    _set_path(folder)
    try:
        key = _take_key()
        door = _Door(listener, announce)
        function = load(folder)
    except BadImage as error:
        sys.stderr.write(f"nbfn: {error}\n")
        raise SystemExit(1) from None
    instance_id = os.environ.get("NBFN_INSTANCE_ID") or os.urandom(8).hex()
    calls = Calls(function, key=key, instance_id=instance_id, began=began, tail=tail)
    server = Server(door.listener, calls)
    door.announce()
    server.serve()


def _set_path(folder: str) -> None:
    """Find ``func`` in ``folder``, and nothing in the folder that the process was started in."""
    if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)


def _take_key() -> bytes:
    try:
        return bytes.fromhex(os.environ.pop(KEY_VARIABLE, ""))
    except ValueError:
        raise BadImage(f"{KEY_VARIABLE} is not hexadecimal") from None


class _Door:
    """The instance's socket, and what says "ready": whoever handed it in, or the link beside it."""

    def __init__(self, listener: socket | None, announce: Callable[[], None] | None) -> None:
        self._say = announce
        if listener is not None:
            self.listener = listener
        else:
            self._open()
        if self._say is not None:
            on_alarm(_ANNOUNCE_AFTER_S, self.announce)

    def announce(self) -> None:
        """Say that calls may come; once is enough."""
        if self._say is not None:
            cancel_alarm()
            say, self._say = self._say, None
            say()

    def _open(self) -> None:
        address = os.environ.get("FN_LISTENER", "")
        if not address.startswith("unix:/"):
            raise BadImage(f"FN_LISTENER is {address!r}, not unix:/PATH: this image is run by an Fn server")
        link = address.removeprefix("unix:")
        folder = link.rpartition("/")[0]
        path = f"{folder}/{_SOCKET_NAME}"
        for left_over in (path, link):
            if os.path.lexists(left_over):
                os.unlink(left_over)
        self.listener = listen(path, _BACKLOG)
        os.chmod(path, 0o666)  # noqa: S103 - the server's user is not the function's
        self._say = lambda: os.symlink(_SOCKET_NAME, link)

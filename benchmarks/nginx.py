"""nginx as a proxy to one instance's socket: what a server written in C adds to a call."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "nginx to an instance's socket"
_PATIENCE_S = 10.0
# One worker, as the executor is one process; connections are kept on both sides, and nothing is logged.
_CONFIG = """\
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
  keepalive_requests 10000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream instance {{ server unix:{instance}; keepalive 16; keepalive_requests 10000000; }}
  server {{
    listen unix:{folder}/s;
    location / {{
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://instance;
    }}
  }}
}}
"""


def missing() -> str:
    """Why it cannot be a peer here; empty if it can."""
    return "" if program() else "nginx is not installed"


def program() -> str | None:
    """Debian has it where only root's PATH looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextlib.contextmanager
def proxy(instance: Path, folder: Path) -> Iterator[Path]:
    """A socket whose requests go to ``instance``, an instance's socket. ``folder`` is nginx's own."""
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # the sockets are their owner's alone
    (folder / "conf").write_text(_CONFIG.format(user=user, folder=folder, instance=instance))
    where = ["-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "error.log")]
    server = subprocess.Popen([program() or "nginx", *where], stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + _PATIENCE_S
        while not (folder / "s").is_socket():
            if server.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"nginx did not start: {(folder / 'error.log').read_text()}")
            time.sleep(0.01)
        yield folder / "s"
    finally:
        server.terminate()
        server.wait()

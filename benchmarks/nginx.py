"""The machine's nginx (Debian's package) as a peer: a plain proxy to an instance's socket."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream instance {{ server unix:{socket}; keepalive 32; }}
  server {{
    listen unix:{folder}/listen;
    location / {{
      proxy_pass http://instance; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


def available() -> bool:
    """True if nginx is on this machine."""
    return shutil.which("nginx") is not None


@contextmanager
def proxy_to(socket: Path) -> Iterator[Path]:
    """The socket on which nginx listens while this is open."""
    with tempfile.TemporaryDirectory(prefix="nbfn-n-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        config = folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=folder, socket=socket))
        process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(folder / "error.log")])
        try:
            listen = folder / "listen"
            while not listen.exists():
                if process.poll() is not None:
                    raise RuntimeError((folder / "error.log").read_text())
                time.sleep(0.01)
            yield listen
        finally:
            process.terminate()
            process.wait()

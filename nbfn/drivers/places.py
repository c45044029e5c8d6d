"""Where instances have their folders, and how they show their socket in one: the same for every driver."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.base import StartFailed

if TYPE_CHECKING:
    from nbfn.config import Settings

IOFS_INSIDE = "/tmp/iofs"  # noqa: S108 - inside the instance's root, as Fn has it
SOCKET = "lsnr.sock"
ID_VARIABLE = "NBFN_INSTANCE_ID"
# What an instance's socket adds to the run folder: /ID/iofs/phonylsnr.sock, of the 107 that fit.
_RUN_PATH_MAX = 107 - len("/01M86QQYZ5R00040J6M0000001/iofs/phonylsnr.sock")
# Less than the memory, which it counts to: a full disk is an error that a function can handle, a kill is not.
_TMP_MB = range(32, 512 + 1)


def run_folder(settings: Settings) -> Path:
    """``settings.run``, or a folder with a path short enough for the sockets of instances in it."""
    if len(os.fsencode(settings.run)) <= _RUN_PATH_MAX:
        return settings.run
    mark = hashlib.sha256(os.fsencode(settings.run)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"nbfn-{os.getuid()}-{mark}" / "run"


def make_private(folder: Path) -> None:
    """Make ``folder`` for this user alone.

    Raises:
        OSError: it belongs to somebody else, who may have put it there to look in.
    """
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    for path in (folder.parent, folder):
        if path.stat().st_uid != os.geteuid():
            raise OSError(f"{path} belongs to user {path.stat().st_uid}, not to {os.geteuid()}")


def socket_is_there(iofs: Path) -> bool:
    """Whether the instance has shown its socket in ``iofs``: a link to one beside it, or one itself.

    Raises:
        StartFailed: stage ``init``: the link leads elsewhere.
    """
    shown = iofs / SOCKET
    try:
        target = os.readlink(shown)  # noqa: PTH115 - its text, not a path of ours
    except FileNotFoundError:
        return False
    except OSError:
        target = shown.name  # a plain socket serves as well
    if "/" in target or target in (".", ".."):
        raise StartFailed(
            "init", f"lsnr.sock points to {target!r}: it must be a relative link to a socket beside it"
        )
    try:
        return stat.S_ISSOCK((iofs / target).lstat().st_mode)
    except FileNotFoundError:
        return False


def tmp_mb(memory_mb: int) -> int:
    """How large the ``/tmp`` of an instance with so much memory is."""
    return min(max(memory_mb * 3 // 4, _TMP_MB[0]), _TMP_MB[-1])

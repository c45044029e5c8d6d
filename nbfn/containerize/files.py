"""Writing files so that a crash leaves the old one or the new one, and saying why it failed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING, TypeGuard

from nbfn.errors import ImageError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Judge = Callable[[Path], None]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
# A temporary file that nobody has written to for so long belonged to a process that was killed.
_ABANDONED_S = 3600.0
# A disk that is full to the last byte fails everybody else: so much is left, or this part of a small one.
_SPARED_BYTES = 64 << 20
_SPARED_PART = 20


class Sink:
    """A file being written, counted and hashed as it goes."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self.path = path
        self.size = 0

    @property
    def digest(self) -> str:
        """``sha256:…`` of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, data: bytes) -> None:
        """Write all of ``data``.

        Raises:
            OSError: the disk is full, or failed.
        """
        self._hash.update(data)
        self.size += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def flush(self) -> None:
        """Return when what was written would survive a power cut."""
        os.fsync(self._descriptor)


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[Sink]:
    """A new file in ``folder``, gone afterwards unless it was moved away.

    Raises:
        OSError: it cannot be made.
    """
    path = folder / f"{os.getpid()}-{secrets.token_hex(6)}"
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        yield Sink(descriptor, path)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def replace(path: Path, data: bytes, folder: Path, *, lasting: bool = True) -> None:
    """Make ``path`` hold ``data``: readers see what was there before or all of it.

    ``folder``, on the same file system, takes the temporary file. What need not be ``lasting`` may be lost,
    or be there in part, after a power cut; of a killed process it is whole.

    Raises:
        OSError: it cannot be written; ``path`` is as it was.
    """
    with temporary(folder) as sink:
        sink.write(data)
        if lasting:
            sink.flush()
        sink.path.replace(path)


class Growing:
    """A file that is written over several tries, each going on where the last one stopped."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes that are there."""
        while chunk := os.read(descriptor, 1 << 20):
            self._hash.update(chunk)
            self.size += len(chunk)

    def write(self, data: bytes) -> None:
        """Add ``data``.

        Raises:
            OSError: the disk is full, or failed.
        """
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self._hash.update(view[:written])
            self.size += written
            view = view[written:]

    def restart(self) -> None:
        """Forget what is there."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hash, self.size = hashlib.sha256(), 0

    def finish(self, digest: str, size: int, what: str, target: Path, judge: Judge | None = None) -> None:
        """Move it to ``target``, if it is what it should be; else forget it, and raise.

        ``judge`` is given where it is, and raises if it is not to be kept.

        Raises:
            ImageError: it has another digest or size, or is not to be kept.
        """
        found = f"sha256:{self._hash.hexdigest()}"
        if (found, self.size) != (digest, size):
            has = self.size
            self.restart()
            raise ImageError(
                f"{what} came with the digest {found} and {has:,} bytes, not {digest} and {size:,}",
                hint="nothing of it is kept: try again, and tell the owner of where it came from",
            )
        if judge is not None:
            try:
                judge(self._path)
            except ImageError:
                self.restart()
                raise
        os.fchmod(self._descriptor, 0o644)
        os.fsync(self._descriptor)
        self._path.replace(target)


@contextlib.contextmanager
def growing(path: Path) -> Iterator[Growing]:
    """The file at ``path``, kept if it is not moved away; one process at a time has it.

    Raises:
        OSError: it cannot be made or read.
    """
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                yield Growing(descriptor, path)
                return
        finally:
            os.close(descriptor)


def drop_growing(path: Path) -> int | None:
    """Remove a file of :func:`growing`, unless somebody has it: its size; None if it stays, or is not there.

    Raises:
        OSError: it cannot be removed.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(descriptor, path):
            return None
        size = os.fstat(descriptor).st_size
        path.unlink()  # who waits for the lock finds it gone, and makes another
    except BlockingIOError:
        return None
    else:
        return size
    finally:
        os.close(descriptor)


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """True if ``error`` says that there is no space left."""
    return isinstance(error, OSError) and error.errno in _FULL


def _is_at(descriptor: int, path: Path) -> bool:
    """False if who had the lock before has moved the file away."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)


def sweep(folder: Path, pattern: str = "*", *, after_s: float = _ABANDONED_S) -> None:
    """Remove the files and folders like ``pattern`` that killed processes left in ``folder``."""
    limit = time.time() - after_s
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def explained(path: Path, what: str, needed: int = 0) -> Iterator[None]:
    """Turn an OSError inside into a StateError that says what to do.

    ``what`` is being written below ``path`` and needs about ``needed`` bytes.

    Raises:
        StateError: for every OSError.
    """
    try:
        yield
    except OSError as error:
        raise state_error(error, path, what, needed) from error


def state_error(error: OSError, path: Path, what: str, needed: int) -> StateError:
    """``error``, met while writing ``what`` below ``path``, in words."""
    needs = f" (it needs {needed:,} bytes)" if needed else ""
    if is_full(error):
        free = free_bytes(path)
        left = f", {free:,} are free" if free is not None else ""
        needs = f": it needs {needed:,} bytes{left}" if needed else ""
        return StateError(
            f"no space left in {path} for {what}{needs}",
            hint="free some space there, or set NBFN_STATE to a folder on a larger disk",
        )
    where = error.filename or path
    if error.errno in _FORBIDDEN:
        return StateError(
            f"not allowed to write {what} in {path}{needs}: {where}: {error.strerror}",
            hint=f"make {path} a folder that you may write to, or set NBFN_STATE to another one",
        )
    return StateError(
        f"could not write {what} in {path}{needs}: {where}: {error.strerror or error}",
        hint="look at that path, or set NBFN_STATE to another folder",
    )


def check_room(path: Path, what: str, needed: int, *, done: int = 0, setting: str = "NBFN_STATE") -> None:
    """Return if ``what``, of ``needed`` bytes of which ``done`` are written, finds room below ``path``.

    ``setting`` is what says where that is.

    Raises:
        StateError: it does not, or hardly anything would be left to others.
    """
    free = free_bytes(path, spared=True)
    if free is not None and needed - done > free:
        raise StateError(
            f"no space left in {path} for {what}: it needs {needed:,} bytes or more, "
            f"{free + done:,} can be had",
            hint=f"free some space there, or set {setting} to a folder on a larger disk; "
            "an image that should not need as much is none to trust",
        )


def free_bytes(path: Path, *, spared: bool = False) -> int | None:
    """What is free where ``path`` is, or will be; with ``spared``, without what is left to others.

    None if that is not known.
    """
    found = existing(path)
    if found is None:
        return None
    try:
        usage = shutil.disk_usage(found)
    except OSError:
        return None
    if not usage.total:  # a file system that does not tell
        return None
    return max(0, usage.free - min(_SPARED_BYTES, usage.total // _SPARED_PART)) if spared else usage.free


def existing(path: Path) -> Path | None:
    """``path``, or the nearest folder above that is there."""
    for folder in (path, *path.parents):
        with contextlib.suppress(OSError):
            folder.stat()
            return folder
    return None

"""Deterministic tars: the same entries, in any order, on any day, give the same bytes.

Members are sorted; owner, times and modes are fixed; headers are POSIX.1-2001 (PAX), with extended
records only where a name needs them. Nothing larger than one chunk (or one made entry) is in memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize.members import path_problem
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Write = Callable[[bytes], object]
    Content = bytes | Path | Callable[[], bytes | None]

# 1980-01-01: the first time that zip can hold, so that files of an image can be zipped again.
MTIME = 315_532_800
FILE_MODE, PROGRAM_MODE, FOLDER_MODE = 0o644, 0o755, 0o755

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to be put into a layer."""

    path: str
    """In the image, relative to its root: ``function/func.py``."""
    content: Content
    """The bytes, a file that has them, or a function that makes them when their turn comes (or gives
    None: there is no such file after all)."""
    size: int
    """Bytes; an estimate where ``content`` is a function."""
    program: bool = False
    """True if it may be executed."""

    @classmethod
    def of(cls, path: str, data: bytes) -> Entry:
        """A file with these bytes."""
        return cls(path, data, len(data))

    @classmethod
    def copied(cls, path: str, source: Path) -> Entry:
        """A copy of ``source`` (links are followed).

        Raises:
            OSError: it is not there.
        """
        status = source.stat()
        return cls(path, source, status.st_size, bool(status.st_mode & stat.S_IXUSR))

    @classmethod
    def made(cls, path: str, make: Callable[[], bytes | None], about: int) -> Entry:
        """A file whose bytes, ``about`` so many, are made when they are needed."""
        return cls(path, make, about)


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """``entries`` as they stand in a tar: sorted by path.

    Raises:
        ImageError: two have the same path, one is a folder of another, or a path is not plain.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    paths = {entry.path for entry in ordered}
    problems = [problem for entry in ordered if (problem := path_problem(entry.path))]
    problems += [
        f"{entry.path!r} needs {folder!r} to be a folder and a file"
        for entry in ordered
        for folder in _folders(entry.path)
        if folder in paths
    ]
    problems += [f"{a.path!r} is there twice" for a, b in itertools.pairwise(ordered) if a.path == b.path]
    if problems:
        raise ImageError(f"no layer can be made: {problems[0]}", problems=problems)
    return ordered


def write_tar(
    entries: Iterable[Entry], write: Write, *, progress: Callable[[int], None] | None = None
) -> None:
    """Write the layer of ``entries``; ``progress`` is told the bytes of each entry as it is done.

    Raises:
        ImageError: see :func:`arrange`; or a file cannot be read, or changed while it was.
    """
    folders: set[str] = set()
    for entry in arrange(entries):
        with _readable(entry):
            content = entry.content() if callable(entry.content) else entry.content
        if content is not None:
            for folder in _folders(entry.path):
                if folder not in folders:
                    folders.add(folder)
                    write(_header(folder, 0, FOLDER_MODE, tarfile.DIRTYPE))
            _write_file(entry, content, write)
        if progress is not None:
            progress(entry.size)
    write(bytes(2 * _BLOCK))


def measure(entries: Iterable[Entry]) -> tuple[str, int]:
    """Digest and size of the layer of ``entries``, without keeping it.

    Raises:
        ImageError: see :func:`arrange`.
    """
    digest, size = hashlib.sha256(), 0

    def write(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)

    write_tar(entries, write)
    return f"sha256:{digest.hexdigest()}", size


def _write_file(entry: Entry, content: bytes | Path, write: Write) -> None:
    mode = PROGRAM_MODE if entry.program else FILE_MODE
    size = entry.size if isinstance(content, Path) else len(content)
    write(_header(entry.path, size, mode, tarfile.REGTYPE))
    if isinstance(content, Path):
        _copy(entry, content, write)
    else:
        write(content)
    if size % _BLOCK:
        write(bytes(_BLOCK - size % _BLOCK))


def _copy(entry: Entry, source: Path, write: Write) -> None:
    with contextlib.ExitStack() as stack:
        with _readable(entry):
            file = stack.enter_context(source.open("rb"))
        left = entry.size
        while left:
            with _readable(entry):
                chunk = file.read(min(_CHUNK, left))
            if not chunk:
                break
            left -= len(chunk)
            write(chunk)
        if left or file.read(1):
            raise ImageError(
                f"{source} changed while it was put into the image",
                hint="build again once nothing writes to it",
            )


@contextlib.contextmanager
def _readable(entry: Entry) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(f"{entry.path} cannot go into the image: {error}") from error


def _header(path: str, size: int, mode: int, kind: bytes) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.mode, info.mtime, info.type = size, mode, MTIME, kind
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _folders(path: str) -> Iterator[str]:
    at = path.find("/")
    while at != -1:
        yield path[:at]
        at = path.find("/", at + 1)

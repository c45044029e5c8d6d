"""Bytecode for layers: valid whatever the times of files are, and the same bytes each time.

A ``.pyc`` normally holds its source's time, which a layer sets anew; so each is rewritten as an
unchecked, hash-based one (PEP 552). What the kernel has compiled already is taken as it is; the rest is
compiled by fresh interpreters, one for each core.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import struct
import subprocess
import sys
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import config

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_HEADER = struct.Struct("<4sI8s")
_TIMES = struct.Struct("<II")
_HASHED, _CHECKED = 0b01, 0b10
# Starting an interpreter costs as much as compiling a few files.
_FILES_A_PROCESS = 8


def cached_name(path: str) -> str:
    """Where the bytecode of ``path`` goes in an image: ``a/b.py`` → ``a/__pycache__/b.cpython-311.pyc``."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"


def existing(source: Path) -> Path | None:
    """The ``.pyc`` that Python would load for ``source`` without compiling, if there is one."""
    path = Path(importlib.util.cache_from_source(str(source), optimization=""))
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
        status = source.stat()
    except OSError:
        return None
    if len(head) < _HEADER.size:
        return None
    magic, flags, stamp = _HEADER.unpack(head)
    if magic != importlib.util.MAGIC_NUMBER or flags & ~(_HASHED | _CHECKED):
        return None
    if not flags & _HASHED:
        valid = stamp == _TIMES.pack(int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    else:
        valid = not flags & _CHECKED or stamp == importlib.util.source_hash(source.read_bytes())
    return path if valid else None


def code_of(path: Path) -> bytes:
    """The marshalled code in a ``.pyc``."""
    return path.read_bytes()[_HEADER.size :]


def unchecked(source: bytes, code: bytes) -> bytes:
    """The ``.pyc`` of ``code`` that Python loads without looking at ``source``."""
    return _HEADER.pack(importlib.util.MAGIC_NUMBER, _HASHED, importlib.util.source_hash(source)) + code


class Compiler:
    """Compiles ``files`` (source, name in the image) ahead of their being asked for, in their order.

    A context manager; nothing is started for no files.
    """

    def __init__(self, files: Iterable[tuple[Path, str]]) -> None:
        self._files = list(files)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._turns: dict[Path, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Compiler:
        count = min(_cores(), -(-len(self._files) // _FILES_A_PROCESS))
        try:
            self._start(count)
        except BaseException:
            self._stop(kill=True)
            raise
        return self

    def _start(self, count: int) -> None:
        script = Path(__file__).with_name("compiler.py")
        command = [sys.executable, "-S", "-s", "-P", "-B", str(script)]
        # Nothing that steers Python may come from outside, nor may the order of its sets.
        env = config.inherited(without="PYTHON")
        for _ in range(count):
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={**env, "PYTHONHASHSEED": "0"},
                )
            )
        asked: dict[int, list[bytes]] = {process.pid: [] for process in self._processes}
        for (source, name), process in zip(self._files, cycle(self._processes), strict=False):
            self._turns[source] = process
            asked[process.pid] += [os.fsencode(source), b"\0", name.encode(), b"\0"]
        for process in self._processes:
            assert process.stdin is not None
            # It reads everything before it writes anything, so neither waits for the other.
            with process.stdin:
                process.stdin.write(b"".join(asked[process.pid]))

    def code(self, source: Path) -> bytes:
        """The code of ``source``, empty if it is not Python. Ask in the order given, each once."""
        process = self._turns.pop(source)
        assert process.stdout is not None
        head = process.stdout.read(4)
        size = int.from_bytes(head, "little")
        code = process.stdout.read(size) if size else b""
        if len(head) < 4 or len(code) < size:
            raise ChildProcessError(f"the compiler ended with exit code {process.wait()} at {source}")
        return code

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop(kill=kind is not None)

    def _stop(self, *, kill: bool) -> None:
        for process in self._processes:
            if kill:
                process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # it may have gone away with something unread
                        stream.close()
            process.wait()


def _cores() -> int:
    return len(os.sched_getaffinity(0))

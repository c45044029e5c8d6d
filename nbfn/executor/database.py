"""The executor's SQLite file: opened, brought up to the newest schema, and its errors in words.

Write-ahead log with ``synchronous=NORMAL``: a committed change survives the death of this process at any
point. A power cut may take the last seconds, never the file; a deploy is idempotent, so that is worth less
than the milliseconds that ``FULL`` costs each one.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbfn.errors import StateError
from nbfn.executor import schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_LOG_BYTES = 4 << 20
"""What the write-ahead log keeps of its size."""


class DiskFull(StateError):
    """There is no room for what was to be written; nothing of it was."""


class Database:
    """The file, open, for one thread. Every method raises StateError, naming the file, if it is unusable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._translated():
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._translated():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > schema.VERSION:
            raise StateError(
                f"{self._path} was written by a newer nbfn: schema {version}, known is {schema.VERSION}",
                hint="upgrade nbfn, or set NBFN_STATE to another folder",
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        self._db.execute("PRAGMA foreign_keys = ON")
        for number, step in enumerate(schema.STEPS[version:], start=version + 1):
            self._db.executescript(f"BEGIN; {step} PRAGMA user_version = {number}; COMMIT;")

    def close(self) -> None:
        with self._translated():
            self._db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error | OSError) -> StateError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR) or isinstance(error, OSError):
            return DiskFull(
                f"{self._path} cannot be written: {error}",
                hint="free some space on its disk (and check that it is mounted), then try again",
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StateError(
                f"{self._path} is damaged: {error}",
                hint="stop the executor and move the file away: functions are then deployed anew when used",
            )
        return StateError(
            f"{self._path} cannot be used: {error}",
            hint="check that you own the file and its folder and may write them",
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has rolled back by itself if the disk was full
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._translated():
            return self._db.execute(query, values).fetchall()

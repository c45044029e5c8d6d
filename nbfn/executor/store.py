"""What the executor keeps: applications, functions, and the last calls and logs, in one SQLite file.

Write-ahead log with ``synchronous=NORMAL``: a committed change survives the death of this process at any
point. A power cut may take the last seconds, never the file; a deploy is idempotent, so that is worth less
than the milliseconds that ``FULL`` costs each one.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from nbfn.errors import Conflict, NotFound, StateError
from nbfn.executor import schema
from nbfn.executor.objects import App, Fn
from nbfn.executor.records import CallRecord, LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

KEPT_CALLS = 20_000
KEPT_LOGS = 50_000

_ADD_CALL = """
    INSERT INTO calls (id, fn_id, instance_id, start, reason, status, message, queued_at,
                       queue_ms, start_ms, import_ms, run_ms, total_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CALLS = """
    SELECT id, fn_id, instance_id, start, reason, status, message, queued_at,
           queue_ms, start_ms, import_ms, run_ms, total_ms
    FROM calls """
_ADD_LOG = """
    INSERT INTO logs (fn_id, at, stream, text, call_id, instance_id) VALUES (?, ?, ?, ?, ?, ?)
"""
_LOGS = """
    SELECT fn_id, at, stream, text, call_id, instance_id
    FROM logs WHERE fn_id = ?1 AND ?2 IN ('', call_id) ORDER BY seq DESC LIMIT ?3
"""

T = TypeVar("T")


class DiskFull(StateError):
    """There is no room for what was to be written; nothing of it was."""


class Store:
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

    # Applications

    def add_app(self, app: App) -> None:
        """Raises Conflict if the name is taken."""
        with self._transaction() as db:
            if self._rows("SELECT 1 FROM apps WHERE name = ?", app.name):
                raise Conflict("App already exists", status=409)
            db.execute("INSERT INTO apps VALUES (?, ?, ?)", (app.id, app.name, _dump(app)))

    def app(self, app_id: str) -> App:
        """Raises NotFound."""
        for (body,) in self._rows("SELECT body FROM apps WHERE id = ?", app_id):
            return App(**json.loads(body))
        raise NotFound("App not found", status=404)

    def apps(self, *, name: str = "", after: str = "", limit: int = -1) -> list[App]:
        """By name, from the one after ``after``."""
        rows = self._rows(
            "SELECT body FROM apps WHERE name > ?1 AND ?2 IN ('', name) ORDER BY name LIMIT ?3",
            after,
            name,
            limit,
        )
        return [App(**json.loads(body)) for (body,) in rows]

    def change_app(self, app_id: str, change: Callable[[App], App]) -> tuple[App, App]:
        """The application before and after ``change``. Raises NotFound, and what ``change`` does."""
        with self._transaction() as db:
            old = self.app(app_id)
            new = change(old)
            if new is not old:
                db.execute("UPDATE apps SET body = ? WHERE id = ?", (_dump(new), app_id))
        return old, new

    def remove_app(self, app_id: str) -> list[Fn]:
        """Returns the functions that went with it. Raises NotFound."""
        with self._transaction() as db:
            self.app(app_id)
            fns = self.fns(app_id)
            db.execute("DELETE FROM apps WHERE id = ?", (app_id,))
        return fns

    # Functions

    def add_fn(self, fn: Fn) -> App:
        """Returns its application. Raises NotFound without one, Conflict if the name is taken."""
        with self._transaction() as db:
            app = self.app(fn.app_id)
            if self._rows("SELECT 1 FROM fns WHERE app_id = ? AND name = ?", fn.app_id, fn.name):
                raise Conflict("Fn with specified name already exists", status=409)
            db.execute("INSERT INTO fns VALUES (?, ?, ?, ?)", (fn.id, fn.app_id, fn.name, _dump(fn)))
        return app

    def fn(self, fn_id: str) -> Fn:
        """Raises NotFound."""
        for (body,) in self._rows("SELECT body FROM fns WHERE id = ?", fn_id):
            return Fn(**json.loads(body))
        raise NotFound("Fn not found", status=404)

    def fns(self, app_id: str, *, name: str = "", after: str = "", limit: int = -1) -> list[Fn]:
        """Of one application, by name, from the one after ``after``."""
        rows = self._rows(
            "SELECT body FROM fns WHERE app_id = ?1 AND name > ?2 AND ?3 IN ('', name) "
            "ORDER BY name LIMIT ?4",
            app_id,
            after,
            name,
            limit,
        )
        return [Fn(**json.loads(body)) for (body,) in rows]

    def change_fn(self, fn_id: str, change: Callable[[Fn], Fn]) -> tuple[App, Fn, Fn]:
        """Its application, and the function before and after. Raises NotFound, and what ``change`` does."""
        with self._transaction() as db:
            old = self.fn(fn_id)
            app = self.app(old.app_id)
            new = change(old)
            if new is not old:
                db.execute("UPDATE fns SET body = ? WHERE id = ?", (_dump(new), fn_id))
        return app, old, new

    def remove_fn(self, fn_id: str) -> tuple[App, Fn]:
        """What was removed. Raises NotFound."""
        with self._transaction() as db:
            fn = self.fn(fn_id)
            app = self.app(fn.app_id)
            db.execute("DELETE FROM fns WHERE id = ?", (fn_id,))
        return app, fn

    def everything(self) -> list[tuple[App, Fn, bool]]:
        """Each function with its application, and whether it has ever been called."""
        apps = {app.id: app for app in self.apps()}
        rows = self._rows(
            "SELECT body, EXISTS (SELECT 1 FROM calls WHERE calls.fn_id = fns.id) FROM fns ORDER BY id"
        )
        fns = [(Fn(**json.loads(body)), bool(called)) for body, called in rows]
        return [(apps[fn.app_id], fn, called) for fn, called in fns]

    # Records

    def add_records(self, calls: Sequence[CallRecord], logs: Sequence[LogRecord]) -> None:
        """Keep these and let go of the oldest."""
        if not calls and not logs:
            return
        with self._transaction() as db:
            db.executemany(_ADD_CALL, calls)
            db.executemany(_ADD_LOG, logs)
            db.execute("DELETE FROM calls WHERE seq <= (SELECT max(seq) FROM calls) - ?", (KEPT_CALLS,))
            db.execute("DELETE FROM logs WHERE seq <= (SELECT max(seq) FROM logs) - ?", (KEPT_LOGS,))

    def calls(self, fn_id: str, limit: int) -> list[CallRecord]:
        """Newest first."""
        rows = self._rows(_CALLS + "WHERE fn_id = ? ORDER BY seq DESC LIMIT ?", fn_id, limit)
        return [CallRecord(*row) for row in rows]

    def call(self, call_id: str) -> CallRecord:
        """Raises NotFound."""
        for row in self._rows(_CALLS + "WHERE id = ?", call_id):
            return CallRecord(*row)
        raise NotFound("Call not found", status=404)

    def logs(self, fn_id: str, call_id: str, limit: int) -> list[LogRecord]:
        """The last ``limit`` pieces, oldest first; of one call if ``call_id`` is given."""
        rows = self._rows(_LOGS, fn_id, call_id, limit)
        return [LogRecord(*row) for row in reversed(rows)]


class StoreThread:
    """A store with the thread that all of its work is done in, one piece after another."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nbfn-store")

    async def run(self, work: Callable[[Store], T]) -> T:
        """What ``work`` gives. Pieces are done in the order in which they were handed in."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._store)

    def close(self) -> None:
        """Finish what was handed in, then close the file."""
        self._thread.shutdown()
        self._store.close()


def _dump(thing: App | Fn) -> str:
    return json.dumps(asdict(thing))

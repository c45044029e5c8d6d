"""The last calls and the last output, on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbfn.errors import NotFound
from nbfn.executor.database import Database
from nbfn.executor.records import KEPT_CALLS, KILLED, CallRecord, LogRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

KEPT_LOGS = 50_000
KEPT_LOG_BYTES = 64 << 20
_ROW_BYTES = 100
"""What a piece of output takes beside its text, about."""

_NEWEST = (1 << 63) - 1

_ADD_CALL = """
    INSERT INTO calls (id, fn_id, instance_id, start, reason, status, message, queued_at,
                       queue_ms, start_ms, import_ms, run_ms, total_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        instance_id = excluded.instance_id, start = excluded.start, reason = excluded.reason,
        status = excluded.status, message = excluded.message, queue_ms = excluded.queue_ms,
        start_ms = excluded.start_ms, import_ms = excluded.import_ms, run_ms = excluded.run_ms,
        total_ms = excluded.total_ms
    WHERE calls.status = 0
"""
_CALLS = """
    SELECT id, fn_id, instance_id, start, reason, status, message, queued_at,
           queue_ms, start_ms, import_ms, run_ms, total_ms
    FROM calls """
_ADD_LOG = """
    INSERT INTO logs (fn_id, at, stream, text, call_id, instance_id, upto) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_CUT_LOGS = "DELETE FROM logs WHERE seq < (SELECT seq FROM logs WHERE upto > ? ORDER BY seq LIMIT 1)"
_LOGS = """
    SELECT fn_id, at, stream, text, call_id, instance_id
    FROM logs WHERE fn_id = ?1 AND ?2 IN ('', call_id) ORDER BY seq DESC LIMIT ?3
"""


class RecordStore(Database):
    """What is kept of calls. Every method raises StateError, naming the file, if it is unusable."""

    def add_records(self, calls: Sequence[CallRecord], logs: Sequence[LogRecord]) -> None:
        """Keep these and let go of the oldest."""
        if not calls and not logs:
            return
        with self._transaction() as db:
            db.executemany(_ADD_CALL, calls)
            upto = self._add_logs(db, logs)
            db.execute("DELETE FROM calls WHERE seq <= (SELECT max(seq) FROM calls) - ?", (KEPT_CALLS,))
            db.execute("DELETE FROM logs WHERE seq <= (SELECT max(seq) FROM logs) - ?", (KEPT_LOGS,))
            db.execute(_CUT_LOGS, (upto - KEPT_LOG_BYTES,))

    def _add_logs(self, db: sqlite3.Connection, logs: Sequence[LogRecord]) -> int:
        """How many bytes of output there have been, with these."""
        (upto,) = db.execute(
            "SELECT coalesce((SELECT upto FROM logs ORDER BY seq DESC LIMIT 1), 0)"
        ).fetchone()
        rows: list[tuple[object, ...]] = []
        for log in logs:
            upto += len(log.text.encode()) + _ROW_BYTES
            rows.append((*log, upto))
        db.executemany(_ADD_LOG, rows)
        return int(upto)

    def calls(self, fn_id: str, limit: int, after: str = "") -> list[CallRecord]:
        """Those that are over, newest first; from the one after ``after``, as long as that call is kept."""
        upto = _NEWEST
        if after:
            upto = next((seq for (seq,) in self._rows("SELECT seq FROM calls WHERE id = ?", after)), 0)
        rows = self._rows(
            _CALLS + "WHERE fn_id = ? AND seq < ? AND status <> 0 ORDER BY seq DESC LIMIT ?",
            fn_id,
            upto,
            limit,
        )
        return [CallRecord(*row) for row in rows]

    def finish_killed(self) -> None:
        """Let calls that an executor had acknowledged, and was killed before it finished, be failed."""
        with self._transaction() as db:
            db.execute("UPDATE calls SET status = 503, message = ? WHERE status = 0", (KILLED,))

    def call_ids(self) -> list[str]:
        """Of all calls that are kept, oldest first."""
        return [call_id for (call_id,) in self._rows("SELECT id FROM calls ORDER BY seq")]

    def call(self, call_id: str) -> CallRecord:
        """Raises NotFound."""
        for row in self._rows(_CALLS + "WHERE id = ?", call_id):
            return CallRecord(*row)
        raise NotFound("Call not found", status=404)

    def logs(self, fn_id: str, call_id: str, limit: int) -> list[LogRecord]:
        """The last ``limit`` pieces, oldest first; of one call if ``call_id`` is given."""
        rows = self._rows(_LOGS, fn_id, call_id, limit)
        return [LogRecord(*row) for row in reversed(rows)]

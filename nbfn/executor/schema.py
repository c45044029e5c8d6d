"""The tables, and the steps from one version of them to the next."""

from __future__ import annotations

# Step N takes a database from version N to N + 1. A step that has been released is never edited.
STEPS = (
    """
    CREATE TABLE apps (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        body TEXT NOT NULL            -- the object as JSON
    ) STRICT;
    CREATE TABLE fns (
        id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (app_id, name)
    ) STRICT;
    CREATE TABLE calls (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        fn_id TEXT NOT NULL,
        instance_id TEXT NOT NULL,
        start TEXT NOT NULL,
        reason TEXT NOT NULL,
        status INTEGER NOT NULL,
        message TEXT NOT NULL,
        queued_at REAL NOT NULL,
        queue_ms REAL,
        start_ms REAL,
        import_ms REAL,
        run_ms REAL,
        total_ms REAL
    ) STRICT;
    CREATE INDEX calls_of_fn ON calls (fn_id, seq);
    CREATE TABLE logs (
        seq INTEGER PRIMARY KEY,
        fn_id TEXT NOT NULL,
        at REAL NOT NULL,
        stream TEXT NOT NULL,
        text TEXT NOT NULL,
        call_id TEXT NOT NULL,
        instance_id TEXT NOT NULL
    ) STRICT;
    CREATE INDEX logs_of_fn ON logs (fn_id, seq);
    """,
    """
    CREATE TABLE triggers (
        id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
        fn_id TEXT NOT NULL REFERENCES fns (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (app_id, source),
        UNIQUE (fn_id, name)
    ) STRICT;
    CREATE TABLE revisions (
        fn_id TEXT NOT NULL REFERENCES fns (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        digest TEXT NOT NULL,
        restores INTEGER NOT NULL,
        body TEXT NOT NULL,           -- the function as it was
        PRIMARY KEY (fn_id, number)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO revisions
        SELECT id, 1, CASE at WHEN 0 THEN '' ELSE substr(image, at + 1) END, 0, body FROM (
            SELECT id, body, json_extract(body, '$.image') AS image,
                   instr(json_extract(body, '$.image'), '@') AS at FROM fns
        );
    """,
    """
    ALTER TABLE logs ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;  -- bytes of all output up to this piece
    """,
)
VERSION = len(STEPS)

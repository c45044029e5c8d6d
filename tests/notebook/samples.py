"""Cards to render: one of each kind, and a strategy for any."""

from __future__ import annotations

from hypothesis import strategies as st

from nbfn.notebook.card import STAGES, Card, LogText, Row, Tile

FRESH = Card(
    name="greet",
    app="notebook",
    url="http://127.0.0.1:43211/invoke/01M86QQYZ5R00040J6M0000001",
    curl="curl -d '{}' http://127.0.0.1:43211/invoke/01M86QQYZ5R00040J6M0000001",
    image="3fa2c0d1e9b7",
    memory_mb=256,
    timeout_s=30,
    idle_timeout_s=30,
)
COLD = Row(1, "call-1", "cold", "first call", "ok", "", 41.3, (("queue", 0.1), ("start", 38.0), ("run", 2.1)))
WARM = Row(2, "call-2", "warm", "", "ok", "", 0.42, (("queue", 0.05), ("run", 0.31)))

any_text = st.text(max_size=40)
any_ms = st.floats(0, 1e6)
tiles = st.builds(
    Tile,
    id=st.text(min_size=1, max_size=16),
    state=st.sampled_from(["starting", "busy", "idle", "stopping"]),
    age_s=st.floats(0, 1e6),
    calls=st.integers(0, 10**9),
    idle_s=st.none() | st.floats(0, 1e4),
)
rows = st.builds(
    Row,
    number=st.integers(1, 10**9),
    call_id=any_text,
    start=st.sampled_from(["cold", "warm", ""]),
    reason=any_text,
    outcome=st.sampled_from(["running", "ok", "failed"]),
    message=any_text,
    total_ms=st.none() | any_ms,
    stages_ms=st.lists(st.tuples(st.sampled_from(STAGES), any_ms), max_size=4).map(tuple),
)
cards = st.builds(
    Card,
    name=any_text,
    app=any_text,
    url=any_text,
    curl=any_text,
    image=any_text,
    memory_mb=st.integers(1, 8192),
    timeout_s=st.integers(1, 300),
    idle_timeout_s=st.integers(1, 3600),
    deployed=st.booleans(),
    tiles=st.lists(tiles, max_size=4).map(tuple),
    rows=st.lists(rows, max_size=4).map(tuple),
    cold=st.integers(0, 99),
    warm=st.integers(0, 99),
    failed=st.integers(0, 99),
    log=st.lists(st.builds(LogText, stream=any_text, text=any_text), max_size=4).map(tuple),
)

from __future__ import annotations

from nbfn.observe.logs import Logs
from nbfn.spec import LogLine

LINES = [
    LogLine(1.5, "stdout", "one\ntwo\n", "c1", "instance-000001"),
    LogLine(2.0, "stderr", "oh\n", "c2", "instance-000001"),
]


def test_logs_are_a_sequence_of_pieces() -> None:
    logs = Logs(LINES)
    assert (len(logs), logs[1], list(logs)) == (2, LINES[1], LINES)
    assert logs[:1] == Logs(LINES[:1])
    assert logs.of_call("c2") == Logs(LINES[1:])
    assert logs.text == "one\ntwo\noh\n"


def test_logs_read_as_a_table_of_lines() -> None:
    rows = str(Logs(LINES)).splitlines()
    assert [row.split(maxsplit=3)[2:] for row in rows] == [
        ["stdout", "one"],
        ["stdout", "two"],
        ["stderr", "oh"],
    ]
    assert str(Logs()) == "(no output)"


def test_pieces_of_a_line_are_joined_though_others_write_between_them() -> None:
    texts = [("c1", "he"), ("c2", "other\n"), ("c1", "llo\nmore"), ("c1", "\n"), ("c2", "unended")]
    logs = Logs(LogLine(1.0, "stdout", text, call, "i") for call, text in texts)
    assert [row.split()[-1] for row in str(logs).splitlines()] == ["other", "hello", "more", "unended"]

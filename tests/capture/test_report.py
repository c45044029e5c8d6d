"""The table of what travels, and the difference between two revisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbfn.capture.diff import Revision, difference
from nbfn.capture.report import Inside, large
from nbfn.spec import Capture, Left, PythonVersion, Taken

from .kernel import Kernel

LIMITS = {"memory": "256 MB", "timeout": "30 s"}
TAKEN = Capture(
    "greet",
    "values",
    "def greet():\n    return '|```'\n",
    PythonVersion(3, 11),
    files={"data/rows.json": b"x" * 2000},
    taken=(
        Taken("greet", "function", "cell 3", 30),
        Taken("rows", "data", "cell 1", 2000, "value at deploy time; cell 2 changed it"),
        Taken("numpy", "package", "numpy 2.4.6"),
    ),
    left=(Left("orjson", "greet can do without it | for now"),),
    config={"API_KEY": "sk-hidden"},
)
PACKAGES = (Taken("numpy", "package", "numpy 2.4.6", 20_000_000), Taken("six", "package", "six 1.17", 900))


def test_the_table_says_what_travels_and_what_does_not() -> None:
    shown = str(Inside("greet", TAKEN, PACKAGES))
    assert shown == (
        "greet: greet of func.py, Python 3.11, source 31 bytes, 1 file of 2 kB, 2 packages of 20 MB\n"
        "\n"
        "what       name    from         size       note\n"
        "function   greet   cell 3       30 bytes\n"
        "data       rows    cell 1       2 kB       value at deploy time; cell 2 changed it\n"
        "package    numpy   numpy 2.4.6  20 MB\n"
        "package    six     six 1.17     900 bytes  needed by another\n"
        "not taken  orjson                          greet can do without it | for now\n"
        "\n"
        "def greet():\n"
        "    return '|```'"
    )


def test_the_same_as_markdown() -> None:
    made = Inside("greet", TAKEN, PACKAGES, image="sha256:1\x1b[31m")._repr_mimebundle_()
    shown = made["text/markdown"]
    assert "| not taken | orjson |  |  | greet can do without it \\| for now |" in shown
    assert "````python\ndef greet():\n    return '|```'\n````" in shown
    assert "```text\nsha256:1\n```" in shown
    assert "sk-hidden" not in str(made)


def test_values_of_ten_megabytes_are_told() -> None:
    captured = (
        Kernel("large").run("rows = bytes(10_500_000)", "def greet():\n    return len(rows)").capture("greet")
    )
    (row,) = large(captured)
    assert (row.name, row.origin) == ("rows", "cell 1")
    assert row.note == "10.5 MB in the image; pass it, or load it inside, if it changes often"
    assert large(TAKEN) == []


def test_a_difference_in_everything() -> None:
    old = Revision(
        "a = 1\n\n\ndef f():\n    return a\n",
        {"data/x.json": b"1", "data/y.json": b"2"},
        frozenset({"numpy 2.4.6"}),
        LIMITS,
        {"A": "1", "B": "2", "C": "3"},
    )
    new = Revision(
        "a = 2\n\n\ndef f():\n    return a\n",
        {"data/x.json": b"12", "data/z.json": b"3"},
        frozenset({"numpy 2.5.0", "six 1.17"}),
        {**LIMITS, "memory": "512 MB"},
        {"A": "1", "B": "3", "D": "4"},
    )
    found = difference("f", old, new)
    assert found
    assert str(found).split("\n") == [
        "@@ func.py -1,4 +1,4 @@",
        "-a = 1",
        "+a = 2",
        " ",
        " ",
        " def f():",
        "@@ data @@",
        "-data/x.json  1 bytes, sha256 6b86b273ff34",
        "+data/x.json  2 bytes, sha256 6b51d431df5d",
        "-data/y.json  1 bytes, sha256 d4735e3a265e",
        "+data/z.json  1 bytes, sha256 4e07408562be",
        "@@ packages @@",
        "-numpy 2.4.6",
        "+numpy 2.5.0",
        "+six 1.17",
        "@@ limits @@",
        "-memory  256 MB",
        "+memory  512 MB",
        "@@ config @@",
        "+B (another value)",
        "-C",
        "+D",
    ]
    assert "\x1b[31m-a = 1\x1b[0m" in found.coloured()
    assert ">+a = 2</div>" in found.html()


@given(st.text(alphabet="ab<&\n+-@ "), st.text(alphabet="ab<&\n+-@ "))
def test_no_difference_only_where_nothing_differs(one: str, two: str) -> None:
    old, new = (Revision(text, {}, frozenset(), LIMITS) for text in (one, two))
    found = difference("f", old, new)
    assert bool(found) == (one.splitlines() != two.splitlines())
    assert not difference("f", old, old)
    assert "<&" not in found.html()
    if not found:
        assert str(found) == "f: what is deployed is what is here"

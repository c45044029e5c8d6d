"""The order of func.py: what runs while it loads finds what it needs above."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbfn.capture.source import Piece, arrange, render
from nbfn.spec import SourceSpan

NAMES = "abcdefgh"


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Piece]:
    """Pieces whose at-once needs have no circle, with later needs at will."""
    pieces = {}
    for at, name in enumerate(NAMES):
        soon = draw(st.sets(st.sampled_from(NAMES[:at]), max_size=3)) if at else set()
        late = draw(st.sets(st.sampled_from(NAMES), max_size=3)) - soon
        needs = tuple((need, need in soon) for need in sorted(soon | late))
        pieces[name] = Piece(name, ((1, f"def {name}"),), "f", needs, block=draw(st.booleans()))
    return pieces


@given(graphs(), st.sampled_from(NAMES))
def test_at_once_needs_stand_above(pieces: dict[str, Piece], target: str) -> None:
    order = [piece.name for piece in arrange(pieces, target)]
    assert sorted(order) == sorted(pieces)
    for name, piece in pieces.items():
        for need, soon in piece.needs:
            if soon and need != name:
                assert order.index(need) < order.index(name)


@given(graphs(), st.sampled_from(NAMES), st.permutations(NAMES))
def test_the_order_of_discovery_does_not_matter(
    pieces: dict[str, Piece], target: str, names: list[str]
) -> None:
    again = arrange({name: pieces[name] for name in names}, target)
    assert again == arrange(pieces, target)


@given(graphs(), st.sampled_from(NAMES))
def test_later_needs_stand_above_too_where_there_is_no_circle(pieces: dict[str, Piece], target: str) -> None:
    order = [piece.name for piece in arrange(pieces, target)]

    def reaches(start: str, goal: str) -> bool:
        todo, seen = [start], set[str]()
        while todo:
            for need, _ in pieces[todo.pop()].needs:
                if need == goal:
                    return True
                if need not in seen:
                    seen.add(need)
                    todo.append(need)
        return False

    for name, piece in pieces.items():
        for need, _ in piece.needs:
            if not reaches(need, name):
                assert order.index(need) < order.index(name)


def test_a_container_in_a_circle_is_made_empty_first() -> None:
    pieces = {
        "step": Piece("step", ((0, "def step"),), needs=(("STEPS", False),)),
        "one": Piece("one", ((0, "@step"),), needs=(("step", True),)),
        "STEPS": Piece(
            "STEPS",
            ((0, "STEPS = {1: one}"),),
            needs=(("one", True),),
            empty="{}",
            filled=("STEPS.update({1: one})",),
        ),
    }
    lines = [piece.lines[0][1] for piece in arrange(pieces, "STEPS")]
    assert lines[0] == "STEPS = {}"
    assert lines.index("@step") < lines.index("STEPS.update({1: one})")


def test_the_source_map_follows_each_run_of_lines() -> None:
    pieces = [
        Piece.of_text("N", "N = 1"),
        Piece("f", ((4, "def f():"), (5, "    return N"), (0, ""), (9, "f = g(f)")), "cell", block=True),
    ]
    text, spans = render(pieces, ["import os"])
    assert text == "import os\n\nN = 1\n\n\ndef f():\n    return N\n\nf = g(f)\n"
    assert spans == (SourceSpan(6, 7, "cell", 4), SourceSpan(9, 9, "cell", 9))

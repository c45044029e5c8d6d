"""From pieces to the text of ``func.py``: their order, and which line came from where (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.spec import SourceSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Piece:
    """A function, class, constant or line that loads data: it binds ``name`` in func.py."""

    name: str
    lines: tuple[tuple[int, str], ...]
    """Its text, each line with its number in ``filename``, or 0 if it came from nowhere."""
    filename: str = ""
    needs: tuple[tuple[str, bool], ...] = ()
    """Names of other pieces it uses, in the order of its text; True if already while func.py loads."""
    block: bool = False
    """True for functions and classes: they stand between blank lines."""
    empty: str = ""
    """An empty container to begin with, if what it holds cannot be there yet; see :func:`arrange`."""
    filled: tuple[str, ...] = ()
    """Then the lines that fill it."""

    @property
    def text(self) -> str:
        """All its lines."""
        return "\n".join(line for _, line in self.lines)

    @classmethod
    def of_text(cls, name: str, text: str, needs: Iterable[str] = ()) -> Piece:
        """A piece that stands nowhere in a cell, such as a constant; it needs names as it loads."""
        lines = tuple((0, line) for line in text.split("\n"))
        return cls(name, lines, needs=tuple((need, True) for need in needs))


def arrange(pieces: Mapping[str, Piece], target: str) -> list[Piece]:
    """The order of definition: what a piece needs stands above it, the target as low as that allows.

    Where functions need each other in a circle, only what runs while func.py loads decides. A container in
    such a circle (a registry that a decorator fills with functions) is made empty and filled further down.
    """
    pieces = _untangled(pieces)
    needs = {
        name: [(need, soon) for need, soon in piece.needs if need in pieces and need != name]
        for name, piece in pieces.items()
    }
    reach = {name: _reachable(name, needs) for name in needs}
    rank = {name: at for at, name in enumerate(_walk_order(target, needs))}

    def priority(name: str) -> tuple[bool, bool, int, str]:
        constant = not pieces[name].block and not needs[name]
        return name.partition(" ")[0] == target, not constant, rank.get(name, len(rank)), name

    def is_free(name: str, *, strict: bool) -> bool:
        return all(
            need in done or (name in reach[need] and not (strict and soon)) for need, soon in needs[name]
        )

    done: dict[str, Piece] = {}
    left = sorted(pieces, key=priority)
    while left:
        free = [name for name in left if is_free(name, strict=True)]
        free = free or [name for name in left if is_free(name, strict=False)]
        done[free[0]] = pieces[free[0]]
        left.remove(free[0])
    return list(done.values())


def _untangled(pieces: Mapping[str, Piece]) -> dict[str, Piece]:
    needs = {name: [need for need in piece.needs if need[0] in pieces] for name, piece in pieces.items()}
    found: dict[str, Piece] = {}
    for name, piece in pieces.items():
        if piece.empty and name in _reachable(name, needs):
            found[name] = Piece.of_text(name, f"{name} = {piece.empty}")
            lines = tuple((0, line) for line in piece.filled)
            found[f"{name} filled"] = Piece(name, lines, needs=((name, True), *piece.needs))
        else:
            found[name] = piece
    return found


def _reachable(start: str, needs: Mapping[str, Sequence[tuple[str, bool]]]) -> set[str]:
    found: set[str] = set()
    todo = [start]
    while todo:
        for need, _ in needs[todo.pop()]:
            if need not in found:
                found.add(need)
                todo.append(need)
    return found


def _walk_order(target: str, needs: Mapping[str, Sequence[tuple[str, bool]]]) -> list[str]:
    """Names in the order in which a reader who follows every use meets them."""
    met: dict[str, None] = {}
    todo = [target]
    while todo:
        name = todo.pop()
        if name not in met and name in needs:
            met[name] = None
            todo += [need for need, _ in reversed(needs[name])]
    return list(met)


def render(
    pieces: Sequence[Piece], imports: Sequence[str], *, preamble: Sequence[str] = (), future: bool = False
) -> tuple[str, tuple[SourceSpan, ...]]:
    """The text of func.py and its source map. ``preamble`` lines follow the imports."""
    out: list[str] = []
    if future:
        out += ["from __future__ import annotations", ""]
    out += imports
    if preamble:
        out += ["", *preamble]
    spans: list[SourceSpan] = []
    above: Piece | None = None
    for piece in pieces:
        if out:
            out += [""] * _blank_lines(above, piece, after_future=out[-1] == "")
        spans += _spans(piece, len(out) + 1)
        out += [line for _, line in piece.lines]
        above = piece
    return "\n".join(out).strip("\n") + "\n", tuple(spans)


def _blank_lines(above: Piece | None, piece: Piece, *, after_future: bool) -> int:
    if after_future:
        return 1 if piece.block else 0
    if piece.block or (above is not None and above.block):
        return 2
    return 1 if above is None else 0


def _spans(piece: Piece, at: int) -> list[SourceSpan]:
    """Runs of lines that follow one another both in func.py and in the cell."""
    spans: list[SourceSpan] = []
    for row, (number, _) in enumerate(piece.lines, start=at):
        if not number:
            continue
        last = spans[-1] if spans else None
        if last and last.end == row - 1 and last.first_line + row - last.start == number:
            spans[-1] = SourceSpan(last.start, row, last.filename, last.first_line)
        else:
            spans.append(SourceSpan(row, row, piece.filename, number))
    return spans

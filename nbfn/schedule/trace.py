"""What arrives at an executor and when: read from a file, or generated."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Kind = Literal["call", "crash", "deploy"]
_KINDS: tuple[Kind, ...] = get_args(Kind)
MOST = 1_000_000
"""Calls of a trace that is made up: a minute or so of playing."""

_GENERATED = "poisson:RATE:SECONDS or burst:COUNT[:SECONDS]"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing that arrives. Times are seconds.

    Raises:
        BadInput: a time that is none, or an unknown kind.
    """

    at_s: float
    function: str = "f"
    run_s: float | None = None
    """What the call takes; None: what its function takes."""
    kind: Kind = "call"
    """A call, a call under which its instance dies, or a new revision of the function."""

    def __post_init__(self) -> None:
        _check_seconds("at_s", self.at_s)
        if self.run_s is not None:
            _check_seconds("run_s", self.run_s)
        if self.kind not in _KINDS:
            raise BadInput(f"kind is {self.kind!r}", hint=f"use one of: {', '.join(_KINDS)}")


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadInput(f"{name} is {value!r}", hint="use seconds, 0 or more")


def _check_count(calls: float) -> None:
    if calls > MOST:
        raise BadInput(f"{calls:,.0f} calls are more than can be played", hint=f"at most {MOST:,}")


def poisson(rate: float, seconds: float, *, function: str = "f", seed: int = 0) -> list[Arrival]:
    """Calls that know nothing of each other, ``rate`` a second on average; the same for the same ``seed``."""
    source, arrivals, at_s = random.Random(seed), [], 0.0
    if not 0 < rate < float("inf") or not 0 <= seconds < float("inf"):
        raise BadInput(f"{rate} calls a second for {seconds} s", hint="use numbers that are not negative")
    _check_count(rate * seconds)
    while (at_s := at_s + source.expovariate(rate)) < seconds:
        arrivals.append(Arrival(round(at_s, 6), function))
    return arrivals


def burst(count: int, seconds: float = 0.0, *, at_s: float = 0.0, function: str = "f") -> list[Arrival]:
    """``count`` calls at once, or spread evenly over ``seconds``."""
    _check_count(count)
    return [Arrival(at_s + seconds * number / count, function) for number in range(count)]


def trace_of(source: Iterable[Arrival | float] | str | Path, *, seed: int = 0) -> list[Arrival]:
    """Arrivals in order of time, from whatever may stand for them.

    A text is ``poisson:RATE:SECONDS``, ``burst:COUNT[:SECONDS]`` or the path of a file: CSV with a line of
    names (``at_s``, and if wanted ``function``, ``run_s``, ``kind``), or JSON, a list of numbers or of
    objects with these names.

    Raises:
        BadInput: it is none of these; names the line.
    """
    if isinstance(source, str | Path):
        text = str(source)
        found = _generated(text, seed) if text.startswith(("poisson:", "burst:")) else _read(Path(source))
    else:
        found = [each if isinstance(each, Arrival) else Arrival(each) for each in source]
    return sorted(found, key=lambda each: each.at_s)


def _generated(text: str, seed: int) -> list[Arrival]:
    kind, *words = text.split(":")
    try:
        match kind, [float(word) for word in words]:
            case "poisson", [rate, seconds]:
                return poisson(rate, seconds, seed=seed)
            case "burst", [count, *seconds] if len(seconds) < 2 and count.is_integer():
                return burst(int(count), *seconds)
    except ValueError:
        pass
    raise BadInput(f"{text!r} is no trace", hint=f"use a file, {_GENERATED}")


def _read(path: Path) -> list[Arrival]:
    try:
        text = path.read_text()
    except (OSError, UnicodeError) as error:
        raise BadInput(f"cannot read the trace {path}: {error}", hint=f"use a file, {_GENERATED}") from error
    rows = _json_rows(path, text) if text.lstrip().startswith("[") else _csv_rows(text)
    arrivals = []
    for where, row in rows:
        try:
            arrivals.append(Arrival(**row))  # type: ignore[arg-type]
        except (BadInput, TypeError) as error:
            said = error.message if isinstance(error, BadInput) else f"{row!r} is no arrival"
            hint = f"give of {', '.join(each.name for each in fields(Arrival))} at least the first"
            raise BadInput(f"{path}, {where}: {said}", hint=hint) from error
    if not arrivals:
        raise BadInput(
            f"the trace {path} holds no call", hint="a line of names, at_s, and a line for each call"
        )
    return arrivals


def _json_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, object]]]:
    try:
        items: Sequence[object] = json.loads(text)
    except ValueError as error:
        raise BadInput(
            f"{path} is no JSON: {error}", hint="use a list of objects or numbers, or CSV"
        ) from error
    rows = [each if isinstance(each, dict) else {"at_s": each} for each in items]
    return [(f"item {number}", row) for number, row in enumerate(rows, start=1)]


def _csv_rows(text: str) -> list[tuple[str, Mapping[str, object]]]:
    import csv  # the executor, which imports this package, reads none
    import io

    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    return [(f"line {reader.line_num}", {k: _value(k, v) for k, v in row.items() if v}) for row in reader]


def _value(name: str | None, text: object) -> object:
    """As a number where one is wanted; what is none stays text, and is refused with it."""
    if name not in ("at_s", "run_s"):
        return text
    try:
        return float(str(text))
    except ValueError:
        return text

import datetime as dt
import functools
import logging
import operator
import re
from fractions import Fraction
from pathlib import Path

log = logging.getLogger("shop")
START = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.timezone.utc)
STEP = dt.timedelta(seconds=7200)
WORD = re.compile("(\\w+)\\s", re.IGNORECASE | re.MULTILINE)
ROOT = Path("/data")
HALF = Fraction(1, 2)
add_one = functools.partial(operator.add, 1)
KINDS = {int: "whole", str: "text"}
NESTED = {
    "empty": (),
    "one": (1,),
    "set": {"a", "b"},
    "none": None,
    "inf": float("inf"),
    "bytes": b"\x00a",
    "no": frozenset(),
}
LONG = [
    {"name": "item 0", "price": 0.0},
    {"name": "item 1", "price": 1.5},
    {"name": "item 2", "price": 3.0},
    {"name": "item 3", "price": 4.5},
]
PROMPT = """Say "hello".

Then say \\ and stop."""


def slow(x):
    return x


cached = functools.lru_cache(maxsize=8, typed=False)(slow)


def greet():
    log.debug("asked")
    return (START + STEP, cached(3), bool(WORD.match("A ")), ROOT / "x", HALF, add_one(2), KINDS[int], NESTED | {"set": len(NESTED["set"])}, LONG, PROMPT)

import datetime as dt
import re
from pathlib import Path
from fractions import Fraction
import functools
import logging
import operator

START = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.timezone.utc)
STEP = dt.timedelta(hours=2)
WORD = re.compile(r"(\w+)\s", re.IGNORECASE | re.MULTILINE)
ROOT = Path("/data")
HALF = Fraction(1, 2)
log = logging.getLogger("shop")
add_one = functools.partial(operator.add, 1)
def slow(x):
    return x

cached = functools.lru_cache(maxsize=8)(slow)
KINDS = {int: "whole", str: "text"}
NESTED = {"empty": (), "one": (1,), "set": {"b", "a"}, "none": None, "inf": float("inf"), "bytes": b"\x00a", "no": frozenset()}
LONG = [{"name": f"item {i}", "price": i * 1.5} for i in range(4)]
PROMPT = """Say "hello".

Then say \\ and stop."""

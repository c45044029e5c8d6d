"""``make demo`` shows what a person would have seen: the value, cold, warm, and the times."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_the_demo_prints_values_cold_and_warm_calls_and_their_times() -> None:
    done = subprocess.run(
        [sys.executable, "notebooks/run.py", "notebooks/00_tour.ipynb"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("NBFN_")},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    seen = done.stdout
    assert done.returncode == 0, seen[-3000:] + done.stderr[-3000:]
    assert "{'Ana': 181.0, 'Bo': 73.6}" in seen
    assert "3 orders of 2 customers" in seen
    assert re.search(r"cold \(first call\) [\d.]+ ms", seen)
    assert re.search(r"warm [\d.]+ ms", seen)
    assert "UnknownCurrency: no rate for 'XXX'" in seen
    assert 'raise UnknownCurrency(f"no rate for {currency!r}")' in seen
    assert "4 answers from 4 instances" in seen
    assert re.search(r"200 (warm|cold) \{'Ana'", seen)

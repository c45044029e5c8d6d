"""What type checkers see: files that must be accepted, and lines that must be refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def check(file: Path, cache: Path) -> dict[int, str]:
    """mypy's errors by line."""
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", cache, file],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert told.stderr == ""
    errors: dict[int, str] = {}
    for line in told.stdout.splitlines():
        found = re.match(rf"{re.escape(str(file.relative_to(ROOT)))}:(\d+): error: (.*)", line)
        if found:
            errors[int(found[1])] = errors.get(int(found[1]), "") + found[2] + "\n"
    return errors


def test_types_of_a_remote_function(tmp_path: Path) -> None:
    assert check(HERE / "accepted.py", tmp_path) == {}
    expected = {
        number: line.partition("# expect: ")[2]
        for number, line in enumerate((HERE / "refused.py").read_text().splitlines(), 1)
        if "# expect: " in line
    }
    told = check(HERE / "refused.py", tmp_path)
    assert told.keys() == expected.keys()
    for number, word in expected.items():
        assert word in told[number]

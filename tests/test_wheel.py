"""The wheel holds what a person needs, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import nbfn

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_every_module_the_type_marker_and_the_command(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"nbfn-{nbfn.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
        assert "nbfn = nbfn.commands.main:main" in archive.read(entry_points).decode()
    modules = {
        str(path.relative_to(ROOT)) for path in (ROOT / "nbfn").rglob("*") if path.suffix in {".py", ".typed"}
    }
    assert modules <= names
    assert not [name for name in names if name.startswith(("tests", "notebooks", "benchmarks"))]

"""Arrow tables, and frames of pandas that hold arrow's memory, there and back."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nbfn.config import Settings

PYTHON = Path(__file__).parents[2] / ".venv-kernel-7.0.1/bin/python"
SCRIPT = """
import json
import pandas as pd
import pyarrow as pa
import nbfn

@nbfn.function(memory=256)
def doubled(table):
    import pyarrow.compute as pc
    return table.set_column(0, "a", pc.multiply(table["a"], 2))

@nbfn.function(memory=512, requires=["pandas", "pyarrow"])
def upper(frame):
    return frame.assign(name=frame["name"].str.upper())

table = pa.table({"a": range(500_000), "b": [1.5] * 500_000, "c": pa.array(["x", None] * 250_000)})
back = doubled(table)
frame = pd.DataFrame({"name": ["Ana", "Bo"] * 50_000, "n": range(100_000)})
raised = upper(frame)
print(json.dumps({
    "schema": back.schema == table.schema,
    "values": back["a"].to_pylist() == [2 * value for value in range(500_000)],
    "others": back["b"].equals(table["b"]) and back["c"].equals(table["c"]),
    "frame": raised["name"].tolist() == ["ANA", "BO"] * 50_000 and raised["n"].equals(frame["n"]),
    "arrow inside": "pyarrow" in str(frame["name"].dtype.storage),
}))
"""

pytestmark = pytest.mark.needs("kernels")


def test_tables_and_frames_of_arrow(settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "arrow.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "NBFN_STATE": str(settings.state), "NBFN_LINGER_S": "2"}
    done = subprocess.run([PYTHON, script], env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert all(found.values()), found

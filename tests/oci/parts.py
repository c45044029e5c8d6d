"""Oracle's SDKs and Fn's FDK, each in an environment of its own that `make oci` makes."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SDKS = {
    "20260325": ROOT / ".venv-oci" / "bin" / "python",
    "20181201": ROOT / ".venv-oci-20181201" / "bin" / "python",
}
"""A Python that has an SDK of this version of the API."""
FDK = ROOT / ".venv-oci" / "bin" / "fdk"

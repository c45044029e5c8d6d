"""The functions that are measured, and where they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import nbfn


def increment(x: int) -> int:
    return x + 1


def nap(seconds: float) -> None:
    import time

    time.sleep(seconds)


def total(values: list[float]) -> float:
    import numpy as np

    return float(np.sum(values))


def norm(values: object) -> float:
    import numpy as np

    return float(np.sum(values))  # type: ignore[call-overload]


def echo(values: object) -> object:
    import numpy as np

    return np.asarray(values)


def path_of(deployed: nbfn.Function[..., object]) -> str:
    """Where its calls go."""
    assert deployed.url is not None
    return urlsplit(deployed.url).path

"""Which functions may be forked from the same zygote, and which cannot be from any."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from nbfn.drivers.base import StartRequest
    from nbfn.drivers.sandbox.image import Program

ENTRYPOINT = ("python3", "-S", "-B", "-m", "nbfn_runtime")
"""What a zygote can be in place of: nbfn's own runtime, started as its images do."""

FUNCTION = "/function"
"""Where a function's code is."""

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Set to 1 while a zygote imports: one that has threads cannot be forked."""

# What these packages put off importing until somebody uses it, as most do.
_ALSO = {"numpy": ("numpy.random",)}
# Read when the interpreter or a library starts, so too late in a fork.
_EARLY = (
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "GLIBC_",
    "OPENBLAS_",
    "OMP_",
    "MKL_",
    "NUMEXPR_",
    "BLIS_",
)


@dataclass(frozen=True, slots=True)
class Strain:
    """All that a zygote is made of. Equal strains share one."""

    layers: tuple[Path, ...]
    """Those below the code, lowest first."""
    own_root: bool
    """They bring a root and a Python of their own."""
    path: tuple[tuple[Path | None, str], ...]
    """What begins ``sys.path``: the topmost layer that has it, if any does, and the folder in it."""
    preload: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Of the image; never of a function's configuration."""
    uid: int
    gid: int
    network: bool

    @property
    def environment(self) -> dict[str, str]:
        """What a zygote's interpreter starts with."""
        return {**dict(self.env), **dict.fromkeys(THREADS, "1")}


def strain_of(program: Program, request: StartRequest) -> Strain | str:
    """The strain of ``program``, or why it has none."""
    if program.argv != ENTRYPOINT:
        return "it does not start nbfn's runtime"
    if not _is_code(program.layers[-1]):
        return "its last layer is not its code alone"
    below = program.layers[:-1]
    if any((layer / "function").exists() for layer in below):
        return "its code is spread over several layers"
    early = [
        name for name, value in request.env.items() if _is_early(name) and program.env.get(name) != value
    ]
    if early:
        return f"its configuration sets {', '.join(sorted(early))}, which is read at the start of a process"
    # The function's own folder is put before them all when it is there.
    named = [place for place in program.env.get("PYTHONPATH", "").split(":") if place]
    here = program.cwd.rstrip("/")
    whole = [place if place.startswith("/") else f"{here}/{place}" for place in named]
    places = [place for place in whole if place.rstrip("/") != FUNCTION]
    return Strain(
        layers=below,
        own_root=not program.host,
        path=tuple((_holder(below, place), place) for place in places),
        preload=_preload(program.layers[-1]),
        env=tuple(sorted((name, value) for name, value in program.env.items() if name != "PYTHONPATH")),
        uid=program.uid,
        gid=program.gid,
        network=request.network,
    )


def _holder(layers: Sequence[Path], place: str) -> Path | None:
    found = (layer for layer in reversed(layers) if (layer / place.lstrip("/")).is_dir())
    return next(found, None)


def _is_early(name: str) -> bool:
    return name.startswith(_EARLY)


@functools.lru_cache(1024)  # layers do not change
def _is_code(layer: Path) -> bool:
    return [path.name for path in layer.iterdir()] == ["function"]


@functools.lru_cache(1024)
def _preload(code: Path) -> tuple[str, ...]:
    """What ``nbfn.json`` says to import; nothing if it says no such thing."""
    try:
        entry: Mapping[str, object] = json.loads((code / "function" / "nbfn.json").read_text("utf-8"))
        names = entry["preload"]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    if not isinstance(names, list):
        return ()
    chosen = [name for name in names if isinstance(name, str) and name != "func"]
    return (*chosen, *(more for name in chosen for more in _ALSO.get(name, ())))

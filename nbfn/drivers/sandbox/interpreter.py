"""The machine's own CPython, which images of base ``host`` run on."""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython outside any virtual environment."""

    executable: Path
    prefixes: tuple[Path, ...]
    """Folders that hold its standard library and what it is linked with."""
    soabi: str
    """``cpython-311-x86_64-linux-gnu``: what a host image's label must say."""

    @property
    def bin(self) -> Path:
        """The folder where ``python3`` is it."""
        return self.executable.parent


def base() -> Interpreter:
    """The interpreter that this process's virtual environment, if any, stands on."""
    # typeshed does not know the attribute, which CPython has had since venv came
    executable = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    prefixes = {Path(os.path.realpath(p)) for p in (sys.base_prefix, sys.base_exec_prefix)}
    soabi = sysconfig.get_config_var("SOABI") or ""
    return Interpreter(executable, tuple(sorted(prefixes)), str(soabi))

"""What func.py needs to load its data files, spelled beside the notebook's own names (pure)."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.capture.bindings import Import

if TYPE_CHECKING:
    from collections.abc import Collection

    from nbfn.capture.live import Live

_LOADERS = ("json", "pickle", "cloudpickle")


@dataclass(frozen=True, slots=True)
class Loaders:
    """How func.py spells what loading takes: ``pickle``, or ``_pickle`` where the notebook has another."""

    live: Live

    def module(self, name: str) -> str:
        """The spelling of a module."""
        return name if self.live.is_free(name, importlib.import_module(name)) else f"_nbfn_{name}"

    @property
    def folder(self) -> str:
        """The variable that holds the folder of the data files."""
        return "_NBFN_DATA" if "_DATA" in self.live else "_DATA"

    @property
    def _path(self) -> str:
        return "Path" if self.live.is_free("Path", Path) else "_nbfn_Path"

    def imports(self, used: Collection[str]) -> list[Import]:
        """Import lines for what is ``used``: loaders, ``os``, and ``func`` for pickles that name classes."""
        lines = [_import(name, self.module(name)) for name in _LOADERS if name in used]
        if lines:
            path = self._path
            lines.append(Import("pathlib", "Path", "" if path == "Path" else path))
        if "func" in used:
            lines.append(_import("sys", self.module("sys")))
        if "os" in used:
            lines.append(_import("os", self.module("os")))
        return lines

    def preamble(self, used: Collection[str]) -> list[str]:
        """Lines under the imports."""
        lines = []
        if "func" in used:
            sys = self.module("sys")
            lines.append(
                f'{sys}.modules.setdefault("func", {sys}.modules[__name__])  # the pickles say func.X'
            )
        if any(name in used for name in _LOADERS):
            lines.append(f'{self.folder} = {self._path}(__file__).parent / "data"')
        return lines

    def secret(self, variable: str) -> str:
        """The expression for an environment variable."""
        return f'{self.module("os")}.environ["{variable}"]'

    def load_text(self, name: str) -> str:
        """The line that loads ``data/NAME.json``."""
        path = f'({self.folder} / "{name}.json")'
        return f'{name} = {self.module("json")}.loads({path}.read_text(encoding="utf-8"))'

    def load_pickle(self, name: str, module: str = "pickle") -> str:
        """The line that loads ``data/NAME.pickle``."""
        return f'{name} = {self.module(module)}.loads(({self.folder} / "{name}.pickle").read_bytes())'


def _import(module: str, name: str) -> Import:
    return Import(module, alias="" if name == module else name)

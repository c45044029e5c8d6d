"""The notebook edge: magics, live cards and short errors. The only importer of IPython."""

from __future__ import annotations

from nbfn.notebook.edge import load, unload

__all__ = ["load", "unload"]

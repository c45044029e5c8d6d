"""Project folders as the Fn CLI makes them: ``func.yaml``, ``app.yaml`` and the code beside them."""

from __future__ import annotations

from nbfn.projects.appfile import AppFile, find_app_file
from nbfn.projects.folder import capture_folder, check_buildable
from nbfn.projects.funcfile import FuncFile, Trigger, find_func_file, walk
from nbfn.projects.init import RUNTIMES, init
from nbfn.projects.version import bumped

__all__ = [
    "RUNTIMES",
    "AppFile",
    "FuncFile",
    "Trigger",
    "bumped",
    "capture_folder",
    "check_buildable",
    "find_app_file",
    "find_func_file",
    "init",
    "walk",
]

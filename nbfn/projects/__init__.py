"""Project folders as the Fn CLI makes them: ``func.yaml``, ``app.yaml`` and the code beside them."""

from __future__ import annotations

from nbfn.projects.appfile import AppFile, find_app_file
from nbfn.projects.export import Export, Exported, copy, export, export_archive
from nbfn.projects.exported import base_of
from nbfn.projects.folder import capture_folder
from nbfn.projects.funcfile import FuncFile, Trigger, find_func_file, func_files, guessed_name, walk
from nbfn.projects.init import RUNTIMES, init
from nbfn.projects.migrate import migrate
from nbfn.projects.version import bumped
from nbfn.projects.ways import Way, build_by_docker, dockerfile_of, run_commands, way_of
from nbfn.projects.zipped import archive_digest, keep, kept

__all__ = [
    "RUNTIMES",
    "AppFile",
    "Export",
    "Exported",
    "FuncFile",
    "Trigger",
    "Way",
    "archive_digest",
    "base_of",
    "build_by_docker",
    "bumped",
    "capture_folder",
    "copy",
    "dockerfile_of",
    "export",
    "export_archive",
    "find_app_file",
    "find_func_file",
    "func_files",
    "guessed_name",
    "init",
    "keep",
    "kept",
    "migrate",
    "run_commands",
    "walk",
    "way_of",
]

"""nbfn: a notebook cell becomes a serverless function.

::

    import nbfn

    @nbfn.function(memory=512)
    def greet(name):
        return f"hello {name}"

    greet("you")          # deployed on the first call, then run in an instance of its own
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from nbfn import errors
from nbfn.errors import (
    BadInput,
    CallError,
    ExecutorError,
    ImageError,
    NbfnError,
    StateError,
    TargetError,
)

if TYPE_CHECKING:
    from nbfn.calls import Call, Mapped, Stream
    from nbfn.function import Function, call, deploy, function, show
    from nbfn.notebook.dashboard.dashboard import dashboard
    from nbfn.notebook.panel import panel
    from nbfn.schedule import simulate
    from nbfn.secrets import Secret, secret
    from nbfn.session import Session
    from nbfn.spec import CallResult
    from nbfn.verbs import (
        Answer,
        App,
        Building,
        FolderFunction,
        Terms,
        apps,
        build_project,
        bump_project,
        change_compartment,
        counts,
        create_app,
        create_context,
        create_function,
        create_prebuilt,
        create_trigger,
        delete_app,
        delete_context,
        delete_function,
        delete_trigger,
        deploy_all,
        deploy_cell,
        deploy_project,
        diff_images,
        doctor,
        executor_status,
        explain,
        export,
        function_calls,
        function_revisions,
        functions,
        get_config,
        images,
        init_project,
        inspect_image,
        invoke_function,
        list_config,
        list_contexts,
        load_folder,
        logs,
        migrate_project,
        prebuilt_function,
        prebuilt_functions,
        prebuilt_triggers,
        prebuilt_version,
        prebuilt_versions,
        prune_images,
        pull_image,
        push_image,
        push_project,
        rollback_function,
        set_config,
        start_executor,
        stats,
        stop_executor,
        tag_image,
        triggers,
        unset_config,
        unset_context,
        untag_image,
        update_app,
        update_context,
        update_function,
        update_trigger,
        use_context,
        verify_images,
        watch_project,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "App",
    "BadInput",
    "Building",
    "Call",
    "CallError",
    "CallResult",
    "ExecutorError",
    "FolderFunction",
    "Function",
    "ImageError",
    "Mapped",
    "NbfnError",
    "Secret",
    "Session",
    "StateError",
    "Stream",
    "TargetError",
    "Terms",
    "apps",
    "build_project",
    "bump_project",
    "call",
    "change_compartment",
    "counts",
    "create_app",
    "create_context",
    "create_function",
    "create_prebuilt",
    "create_trigger",
    "dashboard",
    "delete_app",
    "delete_context",
    "delete_function",
    "delete_trigger",
    "deploy",
    "deploy_all",
    "deploy_cell",
    "deploy_project",
    "diff_images",
    "doctor",
    "errors",
    "executor_status",
    "explain",
    "export",
    "function",
    "function_calls",
    "function_revisions",
    "functions",
    "get_config",
    "images",
    "init_project",
    "inspect_image",
    "invoke_function",
    "list_config",
    "list_contexts",
    "load_folder",
    "load_ipython_extension",
    "logs",
    "migrate_project",
    "panel",
    "prebuilt_function",
    "prebuilt_functions",
    "prebuilt_triggers",
    "prebuilt_version",
    "prebuilt_versions",
    "prune_images",
    "pull_image",
    "push_image",
    "push_project",
    "rollback_function",
    "secret",
    "set_config",
    "show",
    "simulate",
    "start_executor",
    "stats",
    "stop_executor",
    "tag_image",
    "triggers",
    "unload_ipython_extension",
    "unset_config",
    "unset_context",
    "untag_image",
    "update_app",
    "update_context",
    "update_function",
    "update_trigger",
    "use_context",
    "verify_images",
    "watch_project",
]

# Loaded when first asked for: the executor and its instances' images import this package too, and need
# none of what a call does.
_LAZY = {
    "Call": "nbfn.calls",
    "CallResult": "nbfn.spec",
    "Function": "nbfn.function",
    "Mapped": "nbfn.calls",
    "Secret": "nbfn.secrets",
    "Session": "nbfn.session",
    "Stream": "nbfn.calls",
    "call": "nbfn.function",
    "deploy": "nbfn.function",
    "function": "nbfn.function",
    "Answer": "nbfn.verbs",
    "App": "nbfn.verbs",
    "Building": "nbfn.verbs",
    "Terms": "nbfn.verbs",
    "FolderFunction": "nbfn.verbs",
    "apps": "nbfn.verbs",
    "build_project": "nbfn.verbs",
    "change_compartment": "nbfn.verbs",
    "prebuilt_function": "nbfn.verbs",
    "prebuilt_functions": "nbfn.verbs",
    "prebuilt_triggers": "nbfn.verbs",
    "prebuilt_version": "nbfn.verbs",
    "prebuilt_versions": "nbfn.verbs",
    "bump_project": "nbfn.verbs",
    "get_config": "nbfn.verbs",
    "list_config": "nbfn.verbs",
    "set_config": "nbfn.verbs",
    "unset_config": "nbfn.verbs",
    "unset_context": "nbfn.verbs",
    "update_trigger": "nbfn.verbs",
    "start_executor": "nbfn.verbs",
    "executor_status": "nbfn.verbs",
    "stop_executor": "nbfn.verbs",
    "counts": "nbfn.verbs",
    "create_app": "nbfn.verbs",
    "create_context": "nbfn.verbs",
    "create_function": "nbfn.verbs",
    "create_prebuilt": "nbfn.verbs",
    "create_trigger": "nbfn.verbs",
    "delete_app": "nbfn.verbs",
    "delete_context": "nbfn.verbs",
    "delete_function": "nbfn.verbs",
    "delete_trigger": "nbfn.verbs",
    "deploy_all": "nbfn.verbs",
    "deploy_cell": "nbfn.verbs",
    "deploy_project": "nbfn.verbs",
    "doctor": "nbfn.verbs",
    "explain": "nbfn.verbs",
    "function_calls": "nbfn.verbs",
    "function_revisions": "nbfn.verbs",
    "export": "nbfn.verbs",
    "functions": "nbfn.verbs",
    "init_project": "nbfn.verbs",
    "invoke_function": "nbfn.verbs",
    "list_contexts": "nbfn.verbs",
    "load_folder": "nbfn.verbs",
    "logs": "nbfn.verbs",
    "migrate_project": "nbfn.verbs",
    "push_project": "nbfn.verbs",
    "stats": "nbfn.verbs",
    "rollback_function": "nbfn.verbs",
    "triggers": "nbfn.verbs",
    "update_app": "nbfn.verbs",
    "update_context": "nbfn.verbs",
    "update_function": "nbfn.verbs",
    "use_context": "nbfn.verbs",
    "diff_images": "nbfn.verbs",
    "images": "nbfn.verbs",
    "inspect_image": "nbfn.verbs",
    "prune_images": "nbfn.verbs",
    "pull_image": "nbfn.verbs",
    "push_image": "nbfn.verbs",
    "tag_image": "nbfn.verbs",
    "untag_image": "nbfn.verbs",
    "verify_images": "nbfn.verbs",
    "watch_project": "nbfn.verbs",
    "secret": "nbfn.secrets",
    "show": "nbfn.function",
    "dashboard": "nbfn.notebook.dashboard.dashboard",
    "panel": "nbfn.notebook.panel",
    "simulate": "nbfn.schedule",
}


def load_ipython_extension(ipython: object) -> None:
    """``%load_ext nbfn``: the magics, the displays, and this kernel's cells as what is captured."""
    notebook = importlib.import_module("nbfn.notebook")
    notebook.load(ipython)


def unload_ipython_extension(ipython: object) -> None:
    """``%unload_ext nbfn``: the shell as it was; what was deployed stays deployed."""
    notebook = importlib.import_module("nbfn.notebook")
    notebook.unload(ipython)


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """``nbfn.deploy`` and ``nbfn.function`` are the functions, also after the modules of those names load."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _LAZY and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

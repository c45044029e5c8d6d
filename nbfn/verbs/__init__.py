"""What a person asks for, as Python: the twins of ``%fn …`` and ``nbfn …``.

Each works in the current session's context, or in the session that it is given.
"""

from __future__ import annotations

from nbfn.verbs.building import Building
from nbfn.verbs.contexts import create_context, delete_context, list_contexts, update_context, use_context
from nbfn.verbs.folder_function import FolderFunction, deploy_cell, load_folder
from nbfn.verbs.history import FunctionStats, Stats, stats
from nbfn.verbs.invocation import Answer, invoke_function
from nbfn.verbs.objects import (
    App,
    Fn,
    HttpTrigger,
    apps,
    create_app,
    create_trigger,
    delete_app,
    delete_function,
    delete_trigger,
    functions,
    triggers,
    update_app,
    update_function,
)
from nbfn.verbs.projects import (
    Deployed,
    build_project,
    deploy_all,
    deploy_project,
    init_project,
    push_project,
)

__all__ = [
    "Answer",
    "App",
    "Building",
    "Deployed",
    "Fn",
    "FolderFunction",
    "FunctionStats",
    "HttpTrigger",
    "Stats",
    "apps",
    "build_project",
    "create_app",
    "create_context",
    "create_trigger",
    "delete_app",
    "delete_context",
    "delete_function",
    "delete_trigger",
    "deploy_all",
    "deploy_cell",
    "deploy_project",
    "functions",
    "init_project",
    "invoke_function",
    "list_contexts",
    "load_folder",
    "push_project",
    "stats",
    "triggers",
    "update_app",
    "update_context",
    "update_function",
    "use_context",
]

"""What a person asks for, as Python: the twins of ``%fn …`` and ``nbfn …``.

Each works in the current session's context, or in the session that it is given.
"""

from __future__ import annotations

from nbfn.verbs.building import Building
from nbfn.verbs.contexts import create_context, delete_context, list_contexts, update_context, use_context
from nbfn.verbs.diagnosis import Diagnosis, doctor, explain
from nbfn.verbs.exporting import export
from nbfn.verbs.folder_function import FolderFunction, deploy_cell, load_folder
from nbfn.verbs.history import function_revisions, rollback_function
from nbfn.verbs.image_store import (
    diff_images,
    images,
    inspect_image,
    prune_images,
    pull_image,
    push_image,
    tag_image,
    verify_images,
)
from nbfn.verbs.invocation import Answer, invoke_function
from nbfn.verbs.objects import (
    App,
    Fn,
    HttpTrigger,
    apps,
    create_app,
    create_function,
    create_trigger,
    delete_app,
    delete_function,
    delete_trigger,
    functions,
    triggers,
    update_app,
    update_function,
)
from nbfn.verbs.past import counts, logs
from nbfn.verbs.projects import (
    Deployed,
    build_project,
    deploy_all,
    deploy_project,
    init_project,
    push_project,
)
from nbfn.verbs.statistics import FunctionStats, Stats, stats
from nbfn.verbs.watching import migrate_project, watch_project

__all__ = [
    "Answer",
    "App",
    "Building",
    "Deployed",
    "Diagnosis",
    "Fn",
    "FolderFunction",
    "FunctionStats",
    "HttpTrigger",
    "Stats",
    "apps",
    "build_project",
    "counts",
    "create_app",
    "create_context",
    "create_function",
    "create_trigger",
    "delete_app",
    "delete_context",
    "delete_function",
    "delete_trigger",
    "deploy_all",
    "deploy_cell",
    "deploy_project",
    "diff_images",
    "doctor",
    "explain",
    "export",
    "function_revisions",
    "functions",
    "images",
    "init_project",
    "inspect_image",
    "invoke_function",
    "list_contexts",
    "load_folder",
    "logs",
    "migrate_project",
    "prune_images",
    "pull_image",
    "push_image",
    "push_project",
    "rollback_function",
    "stats",
    "tag_image",
    "triggers",
    "update_app",
    "update_context",
    "update_function",
    "use_context",
    "verify_images",
    "watch_project",
]

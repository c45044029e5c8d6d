"""What a person asks for, as Python: the twins of ``%fn …`` and ``nbfn …``.

Each works in the current session's context, or in the session that it is given.
"""

from __future__ import annotations

from nbfn.deploy.terms import Terms
from nbfn.verbs.building import Building
from nbfn.verbs.configuration import get_config, list_config, set_config, unset_config
from nbfn.verbs.contexts import (
    create_context,
    delete_context,
    list_contexts,
    unset_context,
    update_context,
    use_context,
)
from nbfn.verbs.diagnosis import Diagnosis, doctor, explain
from nbfn.verbs.executor import executor_status, start_executor, stop_executor
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
    untag_image,
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
    update_trigger,
)
from nbfn.verbs.oracle import (
    PreBuilt,
    PreBuiltVersion,
    change_compartment,
    create_prebuilt,
    prebuilt_function,
    prebuilt_functions,
    prebuilt_triggers,
    prebuilt_version,
    prebuilt_versions,
)
from nbfn.verbs.past import counts, function_calls, logs
from nbfn.verbs.projects import (
    Deployed,
    build_project,
    bump_project,
    deploy_all,
    deploy_project,
    init_project,
    migrate_project,
    push_project,
)
from nbfn.verbs.statistics import FunctionStats, Stats, stats
from nbfn.verbs.watching import watch_project

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
    "PreBuilt",
    "PreBuiltVersion",
    "Stats",
    "Terms",
    "apps",
    "build_project",
    "bump_project",
    "change_compartment",
    "counts",
    "create_app",
    "create_context",
    "create_function",
    "create_prebuilt",
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
    "executor_status",
    "explain",
    "export",
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
    "logs",
    "migrate_project",
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
    "set_config",
    "start_executor",
    "stats",
    "stop_executor",
    "tag_image",
    "triggers",
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

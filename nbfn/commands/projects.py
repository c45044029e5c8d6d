"""``init``, ``build``, ``bump``, ``push``, ``deploy``: project folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import (
    HELP,
    annotation_option,
    config_option,
    limit_options,
    verbose_option,
    working_dir_option,
)
from nbfn.errors import BadInput

folder_argument = click.argument("folder", metavar="[FOLDER]", required=False)
registry_option = click.option("--registry", default="", help="Prefix of image names, for this time.")
_FOR_DOCKER = "Taken for the Fn CLI's sake: Python functions are built without Docker."


@click.command(context_settings=HELP)
@folder_argument
@click.option("--runtime", default="", shell_complete=complete.runtimes, help="python, go, node or java.")
@click.option("--init-image", default="", help="An image that writes the files (needs Docker).")
@click.option("--trigger", default="", help="Give it a trigger of this type: http.")
@click.option("--name", default="", help="Its name (default: the folder's).")
@click.option("--version", default="0.0.1", show_default=True, help="Its first version.")
@click.option("--entrypoint", default="", help="What starts it, instead of the runtime's own.")
@click.option("--cmd", default="", help="What it is started with.")
@limit_options
@config_option
@annotation_option
@click.option("--force", is_flag=True, help="Overwrite func.yaml (never code).")
@working_dir_option
@edge
def init(
    edge: Edge,
    /,
    folder: str | None,
    working_dir: str | None,
    init_image: str,
    config: tuple[tuple[str, str], ...],
    annotation: tuple[tuple[str, Any], ...],
    **options: Any,
) -> None:
    """Make a function: func.yaml, and code that greets. Needs no network."""
    from nbfn.projects import init as make

    if init_image:
        raise BadInput(
            "an init image is run by Docker, with which this version of nbfn does not work",
            hint="--runtime python, go, node or java write their files themselves",
        )
    place = _place(folder, working_dir)
    if folder and place.exists() and not options["force"]:
        raise BadInput(f"{place} is there already", hint="--force makes it a function all the same")
    if folder:
        edge.show.say(f"Creating function at: ./{folder}")
    function = make(place, config=dict(config), annotations=dict(annotation), **options)
    edge.show.say("Function boilerplate generated." if options["runtime"] else f"Runtime: {function.runtime}")
    edge.show.say(f"{function.path.name} created.")


@click.command(context_settings=HELP)
@folder_argument
@working_dir_option
@verbose_option
@click.option("--no-cache", is_flag=True, help=_FOR_DOCKER)
@click.option("--build-arg", multiple=True, metavar="K=V", help=_FOR_DOCKER)
@edge
def build(edge: Edge, /, folder: str | None, working_dir: str | None, verbose: bool, **_: object) -> None:
    """Build a function's image, into the images of this machine."""
    from nbfn.verbs import build_project

    built = build_project(_place(folder, working_dir), session=edge.session)
    if verbose:
        rows = [(each.what, str(each.size), "reused" if each.reused else "made") for each in built.layers]
        edge.show.table(("LAYER", "BYTES", ""), rows)
    edge.show.say(f"Function {built.image.repository}@sha256:{built.image.short} built successfully.")


@click.command(context_settings=HELP)
@click.option("--major", "part", flag_value="major", help="1.2.3 → 2.0.0")
@click.option("--minor", "part", flag_value="minor", help="1.2.3 → 1.3.0")
@click.option("--patch", "part", flag_value="patch", default=True, help="1.2.3 → 1.2.4 (default)")
@working_dir_option
@verbose_option
@edge
def bump(edge: Edge, part: Any, working_dir: str | None, verbose: bool) -> None:
    """Raise the version in func.yaml. Nothing else in the file changes."""
    from nbfn.projects import find_func_file

    function = find_func_file(_place(None, working_dir))
    function.set_version(function.next_version(part))
    edge.show.say(f"Bumped to version {function.version}")


@click.command(context_settings=HELP)
@registry_option
@verbose_option
@edge
def push(edge: Edge, registry: str, verbose: bool) -> None:
    """Push a function's image to the context's registry."""
    from nbfn.projects import find_func_file

    function = find_func_file(_place(None, None))
    context = edge.session.context
    if context.is_local and not registry:
        edge.show.say(
            f"{function.name}: nothing to push, this machine's executor reads images where they are built"
        )
        return
    raise BadInput(
        f"{function.name!r} is built for this machine's own Python, and would run nowhere else: not pushed",
        hint="push an image that Docker built, or deploy to this machine's executor",
    )


@click.command(context_settings=HELP)
@folder_argument
@click.option("--app", default="", shell_complete=complete.apps, help="Application (default: app.yaml's).")
@click.option("--create-app", is_flag=True, help="Make the application if it is not there.")
@click.option("--all", "everything", is_flag=True, help="Every function below a folder with an app.yaml.")
@click.option("--local", "--skip-push", "local", is_flag=True, help="Do not push to a registry.")
@click.option("--no-bump", is_flag=True, help="Leave the version in func.yaml as it is.")
@click.option("--no-cache", is_flag=True, help=_FOR_DOCKER)
@click.option("--build-arg", multiple=True, metavar="K=V", help=_FOR_DOCKER)
@registry_option
@working_dir_option
@verbose_option
@edge
def deploy(
    edge: Edge,
    /,
    folder: str | None,
    app: str,
    create_app: bool,
    everything: bool,
    no_bump: bool,
    working_dir: str | None,
    **_: object,
) -> None:
    """Build a function, make the server hold it with its triggers, and bump its version.

    The version changes only if all of it succeeds. This machine's executor reads images where they are
    built, so nothing is pushed for it.
    """
    from nbfn.verbs import deploy_all, deploy_project

    place = _place(folder, working_dir)
    if folder:
        edge.show.say(f"Deploying function at: ./{folder}")
    run = deploy_all if everything else deploy_project
    run(place, app, create_app=create_app, bump=not no_bump, session=edge.session, say=edge.show.say)


def _place(folder: str | None, working_dir: str | None) -> Path:
    return Path(working_dir or ".") / (folder or "")

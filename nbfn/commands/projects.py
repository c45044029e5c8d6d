"""``init``, ``migrate``, ``build``, ``bump``, ``push``, ``deploy``, ``watch``: project folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import (
    HELP,
    Pair,
    annotation_option,
    config_option,
    limit_options,
    verbose_option,
    working_dir_option,
)
from nbfn.commands.images import push_image
from nbfn.commands.oracle import for_file, mode_options, tag_options
from nbfn.commands.refused import OF_START, refused
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.verbs import Building

_OF_OCI = (
    *("tags", "defined_tags", "provisioned_concurrency", "detached_timeout"),
    *("on_success", "on_failure"),
)

folder_argument = click.argument(
    "folder", metavar="[FOLDER]", type=click.Path(file_okay=False), required=False
)
registry_option = click.option("--registry", default="", help="Prefix of image names, for this time.")


def docker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--base``, ``--docker``, ``--no-cache``, ``--build-arg``."""
    for option in (
        click.option("--base", default="", metavar="B", help="What Python is built on: fn, or an image."),
        click.option("--build-arg", type=Pair(), multiple=True, metavar="K=V", help="For Docker's build."),
        click.option("--no-cache", is_flag=True, help="Docker builds each step anew."),
        click.option("--docker", is_flag=True, help="Have Docker build a Python function, too."),
    ):
        command = option(command)
    return command


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
@tag_options
@mode_options
@click.option("--force", is_flag=True, help="Overwrite func.yaml (never code but an init image's).")
@working_dir_option
@click.option("--pbf", default="", metavar="OCID", help="A pre-built function (OCI): there is no code.")
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
    """Make a function: func.yaml, and code that greets. Needs no network, but for an init image."""
    from nbfn.projects import init as make

    place = _place(folder, working_dir)
    oci = {name: options.pop(name) for name in _OF_OCI}
    if folder and place.exists() and not options["force"]:
        raise BadInput(f"{place} is there already", hint="--force makes it a function all the same")
    if folder:
        edge.show.say(f"Creating function at: ./{folder}")
    if init_image:
        edge.show.say(f"Building from init-image: {init_image}")
    function = make(
        place,
        config=dict(config),
        annotations=dict(annotation),
        oci=for_file(oci),
        init_image=init_image,
        **options,
    )
    written = options["runtime"] or init_image
    if options["pbf"]:
        edge.show.say(f"{function.path.name} created. {edge.line('deploy')} makes it of {options['pbf']}.")
        return
    edge.show.say("Function boilerplate generated." if written else f"Runtime: {function.runtime}")
    edge.show.say(f"{function.path.name} created.")


@click.command(context_settings=HELP)
@working_dir_option
@edge
def migrate(edge: Edge, working_dir: str | None) -> None:
    """Bring a func.yaml from before 2018 to today's schema; func.yaml.bak is what it was."""
    from nbfn.verbs import migrate_project

    function = migrate_project(_place(None, working_dir))
    name = function.path.name
    edge.show.say(f"Successfully migrated {name} and created a back up {name}.bak")


@click.command(context_settings=HELP)
@folder_argument
@working_dir_option
@verbose_option
@docker_options
@edge
def build(
    edge: Edge,
    /,
    folder: str | None,
    working_dir: str | None,
    verbose: bool,
    **how: Any,
) -> None:
    """Build a function's image, into the images of this machine.

    Python functions are built without Docker. It builds what has a Dockerfile, and go, node and java.
    """
    from nbfn.verbs import build_project

    place = _place(folder, working_dir)
    if folder:
        edge.show.say(f"Building function at: ./{folder}")
    built = build_project(
        place, how=_building(edge, verbose=verbose, **how), session=edge.session, say=edge.show.say
    )
    if verbose or edge.verbose:
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
    from nbfn.verbs import bump_project

    edge.show.say(f"Bumped to version {bump_project(_place(None, working_dir), part)}")


@click.command(context_settings=HELP)
@click.argument("image", metavar="[IMAGE]", required=False, shell_complete=complete.images)
@click.argument("where", metavar="[HOST/NAME:TAG]", required=False)
@registry_option
@verbose_option
@edge
def push(edge: Edge, image: str | None, where: str | None, registry: str, verbose: bool) -> None:
    """Push a function's image to the context's registry.

    Without IMAGE it is that of the project folder here; with it, that of any function: FUNCTION or
    APP/FUNCTION, or an image that `images list` shows. It can go elsewhere: docker-daemon:NAME,
    oci-archive:FILE.
    """
    from nbfn.verbs import push_project

    edge.registry = registry or edge.registry
    if image:
        push_image(edge, image, where or "")
        return
    session = edge.session
    if session.context.is_local and not session.context.registry:
        edge.show.say("Nothing to push: this machine's executor reads images where they are built")
        return
    push_project(_place(None, None), session=session, say=edge.show.say)


@click.command(context_settings=HELP)
@folder_argument
@click.option("--app", default="", shell_complete=complete.apps, help="Application (default: app.yaml's).")
@click.option("--create-app", is_flag=True, help="Make the application if it is not there.")
@click.option("--all", "everything", is_flag=True, help="Every function below a folder with an app.yaml.")
@click.option(
    "--local", "--skip-push", "local", is_flag=True, help="Push nothing: Docker has the image there."
)
@click.option("--no-bump", is_flag=True, help="Leave the version in func.yaml as it is.")
@docker_options
@registry_option
@working_dir_option
@verbose_option
@refused({"--local-debug": OF_START["--local-debug"]})
@edge
def deploy(
    edge: Edge,
    /,
    folder: str | None,
    app: str,
    create_app: bool,
    everything: bool,
    local: bool,
    no_bump: bool,
    working_dir: str | None,
    verbose: bool,
    registry: str,
    docker: bool,
    no_cache: bool,
    build_arg: tuple[tuple[str, str], ...],
    base: str,
) -> None:
    """Build a function, make the server hold it with its triggers, and bump its version.

    The version changes only if all of it succeeds. This machine's executor reads images where they are
    built, so nothing is pushed for it; another server gets them through the context's registry.
    """
    from nbfn.verbs import deploy_all, deploy_project

    place = _place(folder, working_dir)
    if folder:
        edge.show.say(f"Deploying function at: ./{folder}")
    run = deploy_all if everything else deploy_project
    edge.registry = registry or edge.registry
    run(
        place,
        app,
        create_app=create_app,
        bump=not no_bump,
        how=replace(_building(edge, verbose, docker, no_cache, build_arg, base), local=local),
        session=edge.session,
        say=edge.show.say,
    )


@click.command(context_settings=HELP)
@click.option("--app", default="", shell_complete=complete.apps, help="Application (default: app.yaml's).")
@click.option("--debounce", default="500ms", show_default=True, metavar="TIME", help="Wait for more changes.")
@click.option(
    "--ignore",
    multiple=True,
    metavar="PATTERN",
    help="Do not look at what matches; repeatable, as .fnignore.",
)
@working_dir_option
@docker_options
@verbose_option
@edge
def watch(
    edge: Edge,
    /,
    app: str,
    debounce: str,
    ignore: tuple[str, ...],
    working_dir: str | None,
    verbose: bool,
    **how: Any,
) -> None:
    """Deploy the function here again whenever a file of it changes, until interrupted.

    It is `deploy --local --no-bump` each time. A deployment that fails is said, and the next change tried.
    """
    from nbfn.projects.durations import seconds
    from nbfn.verbs import watch_project

    watch_project(
        _place(None, working_dir),
        app,
        quiet_s=float(seconds(debounce, "--debounce")),
        ignore=ignore,
        how=_building(edge, verbose, **how),
        session=edge.session,
        say=edge.show.say,
    )


def _building(
    edge: Edge,
    verbose: bool,
    docker: bool,
    no_cache: bool,
    build_arg: tuple[tuple[str, str], ...],
    base: str,
) -> Building:
    from nbfn.verbs import Building

    told = verbose or edge.verbose
    return Building(docker=docker, cache=not no_cache, args=dict(build_arg), verbose=told, base=base)


def _place(folder: str | None, working_dir: str | None) -> Path:
    return Path(working_dir or ".") / (folder or "")

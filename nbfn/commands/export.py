"""``export``: a deployed function as a project folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, output_option

if TYPE_CHECKING:
    from nbfn.projects import Exported


@click.command(context_settings=HELP)
@click.argument("function", metavar="[APP/]FUNCTION", shell_complete=complete.own_functions)
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--app", default="", shell_complete=complete.apps, help="Its application.  [NBFN_APP, notebook]"
)
@click.option("--force", is_flag=True, help="Write over what is in the folder.")
@click.option("--build-image", default="", help="What Docker installs its packages with.")
@click.option("--run-image", default="", help="What Docker builds it on.")
@output_option
@edge
def export(
    edge: Edge,
    /,
    function: str,
    folder: Path,
    app: str,
    force: bool,
    build_image: str,
    run_image: str,
    output: str | None,
) -> None:
    """Write a deployed function as a project folder, which the Fn CLI can deploy as well."""
    from nbfn import verbs

    done = verbs.export(
        function,
        folder,
        app=app or None,
        force=force,
        build_image=build_image,
        run_image=run_image,
        session=edge.session,
    )
    if output:
        edge.show.document(_document(done))
        return
    edge.show.say(f"Function {done.name} exported to: {done.folder} ({len(done.files)} files)")
    for name in done.missing:
        edge.show.note(f"its secret {name} is not in it: `nbfn config function APP {done.name} {name} VALUE`")


def _document(done: Exported) -> dict[str, object]:
    return {
        "folder": str(done.folder),
        "name": done.name,
        "files": list(done.files),
        "missing": list(done.missing),
    }

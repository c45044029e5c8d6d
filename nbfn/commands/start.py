"""``nbfn start``: the executor, in the background, if it is not running yet."""

from __future__ import annotations

from pathlib import Path

import click

from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP
from nbfn.commands.options import Port, log_level_option
from nbfn.commands.refused import OF_START, refused
from nbfn.errors import BadInput
from nbfn.running import running


@click.command(context_settings=HELP)
@click.option("-d", "--detach", is_flag=True, help="Taken for the Fn CLI's sake: it always is.")
@click.option("--port", "-p", type=Port(), default=None, help="TCP port; 0 takes a free one. [NBFN_PORT, 0]")
@log_level_option
@click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of NAME=VALUE lines: more variables for it, NBFN_* among them.",
)
@refused(OF_START)
@edge
def start(edge: Edge, detach: bool, port: int | None, log_level: str | None, env_file: Path | None) -> None:
    """Start the executor in the background, unless it is running. `nbfn serve` runs one in the foreground."""
    from nbfn import config, verbs

    environ = _variables(env_file) if env_file else None
    settings = config.load({**config.variables(), **(environ or {})})
    was_running = running(settings) is not None
    url = verbs.start_executor(port=port, log_level=log_level or "", environ=environ)
    how = "is running already" if was_running else f"was started, and stays until {edge.line('stop')}"
    edge.show.say(f"the executor of {settings.state} {how}: {url}")


def _variables(path: Path) -> dict[str, str]:
    """What Docker reads in such a file: NAME=VALUE as it stands there, or NAME alone for the value here."""
    from nbfn import config

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {getattr(error, 'strerror', '') or error}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.lstrip().partition("=")
        if not name or any(each.isspace() for each in name):
            raise BadInput(f"{path}:{number}: this is not NAME=VALUE", hint="give one variable a line")
        here = value if equals else config.variables().get(name)
        found |= {} if here is None else {name: here}
    return found

"""``nbfn`` and ``%fn``: the whole grammar. The one place where errors become a message and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any

import click

from nbfn import __version__, config
from nbfn.commands import configuration, contexts, objects, past, prebuilt, revisions, triggers
from nbfn.commands.complete import contexts as complete_contexts
from nbfn.commands.doctor import doctor
from nbfn.commands.edge import Edge
from nbfn.commands.export import export
from nbfn.commands.grammar import HELP, Words, verb
from nbfn.commands.help import help_
from nbfn.commands.images import images, pull
from nbfn.commands.invoke import invoke
from nbfn.commands.past import logs, stats
from nbfn.commands.projects import build, bump, deploy, init, migrate, push, watch
from nbfn.commands.refused import build_server, update_server
from nbfn.commands.serve import serve
from nbfn.commands.simulate import simulate
from nbfn.commands.start import start
from nbfn.commands.status import status
from nbfn.commands.stop import stop
from nbfn.commands.version import version
from nbfn.errors import NbfnError

_INTERRUPTED = 128 + signal.SIGINT


class _Root(Words):
    """All of it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except NbfnError as error:
            error.hint = ctx.ensure_object(Edge).of_context(error.hint)
            raise


@click.group(cls=_Root, context_settings=HELP)
@click.version_option(__version__, prog_name="nbfn")
@click.option("--context", default="", shell_complete=complete_contexts, help="Context, for this time.")
@click.option("--registry", default="", help="Registry, for this time.")
@click.option("--verbose", "-v", is_flag=True, help="Say more.")
@click.pass_context
def cli(ctx: click.Context, context: str, registry: str, verbose: bool) -> None:
    """Functions: from notebook cells and project folders, to this machine's executor or any Fn server.

    Commands and options are those of the Fn CLI, and so are its files of contexts.
    """
    edge = ctx.ensure_object(Edge)
    edge.context, edge.registry, edge.verbose = context, registry, verbose
    ctx.call_on_close(edge.close)


_VERBS = {
    name: verb(name, help_text)
    for name, help_text in {
        "create": "Make a context, application, function or trigger.",
        "list": "List contexts, applications, functions, triggers, revisions, calls, configuration, …",
        "inspect": "Show a context, application, function or trigger.",
        "update": "Change a context, application, function or trigger.",
        "delete": "Delete a context, application, function, trigger or configuration key.",
        "use": "Use a context.",
        "unset": "Use no context; remove a configuration key.",
        "get": "Show a configuration key, or a pre-built function of OCI's.",
    }.items()
}
for _module in (contexts, objects, triggers, configuration, revisions, past, prebuilt):
    _module.register(_VERBS)
_VERBS["update"].add_command(update_server)
for _command in (
    *(init, migrate, build, bump, push, pull, deploy, watch, invoke, export, images, revisions.rollback),
    *_VERBS.values(),
    configuration.config,
    prebuilt.change_compartment,
    *(logs, stats),
    *(serve, start, status, stop, simulate, doctor, version, help_, build_server),
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; exit with its code, which is 130 if it was interrupted."""
    if any(config.variables().get(name) for name in ("DEBUG", "SWAGGER_DEBUG")):
        # As the Fn CLI dumps requests, less headers and bodies, which hold secrets.
        log = logging.getLogger("httpx")
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)
        log.propagate = False
    try:
        # By itself click would exit with 1 for Ctrl-C, as for any other end.
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        click.echo("Aborted!", err=True)
        code = _INTERRUPTED
    except NbfnError as error:
        click.echo(f"nbfn: {error}", err=True)
        code = 1
    sys.exit(code)

"""The magics. Each one parses, calls its Python twin and displays what came back.

=====================  ========================================
``%%fn_deploy``        ``nbfn.deploy(function, name=…, …)``
``… --runtime go``     ``nbfn.deploy_cell(name, "go", source, …)``
``%fn_dashboard``      ``nbfn.dashboard(function, app=…)``
``%fn_invoke NAME``    ``function(…)``, ``nbfn.invoke_function(…)``
``%fn_list``           ``nbfn.functions(app)``
``%fn_logs NAME``      ``function.logs()``, ``nbfn.logs(…)``
``%fn_diff NAME``      ``function.diff()``
``%fn_panel NAME``     ``nbfn.panel(function)``
``%fn_rollback NAME``  ``function.rollback(number)``, ``nbfn.rollback_function(…)``
``%fn_show NAME``      ``nbfn.show(function)``
``%fn_stats``          ``nbfn.stats(function, app=…)``
``%fn_undeploy NAME``  ``function.undeploy()``, ``nbfn.delete_function(…)``
=====================  ========================================
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from nbfn import session as sessions
from nbfn.capture import find_target
from nbfn.errors import BadInput, CallError, CellError
from nbfn.function import Function, function, show
from nbfn.notebook import listing
from nbfn.notebook.dashboard.dashboard import dashboard
from nbfn.notebook.errors import draw_as, short
from nbfn.notebook.panel import panel
from nbfn.observe.logs import Logs
from nbfn.remote import Remote, remove
from nbfn.verbs import (
    Building,
    FolderFunction,
    deploy_cell,
    function_revisions,
    invoke_function,
    rollback_function,
    stats,
)
from nbfn.verbs.progress import Pushing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from nbfn.notebook.cards import Cards
    from nbfn.notebook.cells import Recorder
    from nbfn.notebook.waiting import Shown, Waiting
    from nbfn.spec import Progress


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not K=V")
    return key, value


def _parse(magic: Any, line: str) -> argparse.Namespace:
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise UsageError(f"{line!r} cannot be split into words: {error}") from error
    parsed: argparse.Namespace = magic.parser.parse_args(words)
    return parsed


def _stand_in() -> None:
    """For options to be checked with, before the function that they are for exists."""


@magics_class
class FnMagics(Magics):
    """``%%fn_deploy`` and its companions."""

    def __init__(self, shell: InteractiveShell, recorder: Recorder, cards: Cards, waiting: Waiting) -> None:
        super().__init__(shell)
        self._shell = shell
        self._recorder = recorder
        self._cards = cards
        self._waiting = waiting

    @magic_arguments()
    @argument("name", nargs="?", help="Name to deploy under, or which function of the cell is meant.")
    @argument("--app", metavar="A", help="Application it goes to (default: the session's).")
    @argument("--memory", type=int, metavar="MB", help="What an instance may use (1 to 8192, default 256).")
    @argument("--timeout", type=int, metavar="S", help="What a call may take (1 to 300, default 30).")
    @argument(
        "--idle-timeout", type=int, metavar="S", help="What an idle instance waits (1 to 3600, default 30)."
    )
    @argument("--min-instances", type=int, metavar="N", help="Kept ready without a call (default 0).")
    @argument("--max-instances", type=int, metavar="N", help="Never more at once (default: as calls want).")
    @argument(
        "--requires",
        nargs="+",
        action="extend",
        default=[],
        metavar="PKG",
        help="Packages beside its imports, or a requirements.txt.",
    )
    @argument(
        "--config", nargs="+", action="extend", default=[], type=_pair, metavar="K=V", help="Environment."
    )
    @argument(
        "--base",
        default="host",
        help="What its image builds on: host (this Python), fn, or an image.",
    )
    @argument("--quiet", action="store_true", help="Show no card.")
    @argument("--runtime", default="", metavar="R", help="What the cell is in, if not Python: go or node.")
    @argument("--build-image", default="", metavar="I", help="With --runtime: the image that builds it.")
    @argument("--run-image", default="", metavar="I", help="With --runtime: the image that it runs on.")
    @argument("--verbose", action="store_true", help="With --runtime: print all that its build writes.")
    @cell_magic
    def fn_deploy(self, line: str, cell: str) -> None:
        """Run the cell and deploy the function that it defines; its name then calls the deployed one.

        Cell, names and limits are checked first: if one of them cannot be, nothing runs. If the deployment
        fails, what the cell defined is there as after any cell, and what was deployed before stays deployed.

        With --runtime go or node, and a name, the cell is a whole func.go or func.js that uses Fn's FDK:
        Docker builds it, and the name is then a function that is called with a value or keywords, as JSON.
        --requires are packages of that language: PATH@VERSION, NAME@VERSION.
        """
        options = vars(_parse(self.fn_deploy, line))
        foreign = {name: options.pop(name) for name in ("runtime", "build_image", "run_image", "verbose")}
        if foreign["runtime"]:
            self._deploy_foreign(cell, options, foreign)
            return
        if any(foreign.values()):
            raise UsageError("--build-image, --run-image and --verbose are for a cell with --runtime")
        quiet, named = options.pop("quiet"), options["name"]
        options["config"] = dict(options["config"])
        body = self._recorder.body(cell)
        try:
            target = find_target(body.source, named)
            options["name"] = named or target
            function(_stand_in, **options)  # refuses what cannot be before anything runs
            self._recorder.run(body)
        except CellError as error:
            place = body.line(error.line) if error.line else None
            draw_as(self._shell, error, short(self._shell, error, place))
            raise
        wanted = function(self._shell.user_ns[target], **options)
        with self._watched(options["name"]) as (bar, tell):
            deployed = wanted.deploy(progress=tell)
            display_id = None if quiet else bar.hand_over()
        self._shell.user_ns[target] = deployed
        if named and named.isidentifier():
            self._shell.user_ns[named] = deployed
        if not quiet:
            self._cards.show(deployed, display_id)

    def _deploy_foreign(self, cell: str, options: dict[str, Any], foreign: dict[str, Any]) -> None:
        """Of a cell in another language: nothing of it runs here."""
        quiet, name, verbose = options.pop("quiet"), options.pop("name"), foreign.pop("verbose")
        if not name:
            raise UsageError(f"name it: %%fn_deploy NAME --runtime {foreign['runtime']}")
        if options.pop("base") != "host":
            raise UsageError("--base is for Python; what this cell runs on is --run-image")
        variable = re.sub(r"\W", "_", name)
        if not variable.isidentifier():
            raise UsageError(f"{name!r} begins with a digit, and could not be called")
        how, say = Building(verbose=verbose), print if verbose and not quiet else None
        with self._watched(name) as (bar, tell):
            deployed = deploy_cell(name, source=cell, how=how, say=say, progress=tell, **foreign, **options)
            display_id = None if quiet else bar.hand_over()
        self._shell.user_ns[variable] = deployed
        if not quiet:
            self._cards.show(deployed, display_id)

    @contextmanager
    def _watched(self, name: str) -> Iterator[tuple[Shown, Progress]]:
        """The bar of a deployment, and what tells it how far that is; a push has lines of its own too."""
        pushing = Pushing(print)
        with self._waiting.deploying(name) as bar:

            def tell(what: str, done: int, total: int) -> None:
                bar(what, done, total)
                pushing(what, done, total)

            yield bar, tell

    def parsers(self) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        """Each magic by its name, with what reads its line."""
        for names in self.magics.values():
            for name in names:
                yield name, getattr(self, name).parser

    @magic_arguments()
    @argument("app", nargs="?", help="Application (default: all).")
    @line_magic
    def fn_list(self, line: str) -> None:
        """List the deployed functions."""
        args = _parse(self.fn_list, line)
        display(listing.functions(sessions.current().ask(lambda target: target.list(args.app))), raw=True)

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed.")
    @argument("--app", metavar="A", help="Its application (default: the session's).")
    @argument("--limit", type=int, default=100, metavar="N", help="At most the last N pieces (default 100).")
    @line_magic
    def fn_logs(self, line: str) -> None:
        """Show what a function wrote."""
        args = _parse(self.fn_logs, line)
        found = self._find(args.name, args.app)
        if found is not None:
            logs = found.logs(limit=args.limit)
        else:
            ask, app = _session_and_app(args.app)
            fn_id = ask(lambda target: target.inspect(app, args.name)).id
            logs = ask(lambda target: Logs(target.logs(fn_id, limit=args.limit)))
        display({"text/plain": str(logs)}, raw=True)

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed from here.")
    @line_magic
    def fn_show(self, line: str) -> None:
        """Show what travels, and what does not and why: code, packages, data, sizes. Deploys nothing."""
        found = self._callable(_parse(self.fn_show, line).name)
        if isinstance(found, FolderFunction):
            display({"text/plain": f"{found.folder}\n\n{found.source}"}, raw=True)
        else:
            display(show(found))

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed from here.")
    @line_magic
    def fn_diff(self, line: str) -> None:
        """Show what deploying a function now would change: source, data, packages, limits."""
        found = self._callable(_parse(self.fn_diff, line).name)
        if isinstance(found, FolderFunction):
            raise BadInput(
                f"{found.spec.name!r} is no captured Python", hint="`%fn images diff` compares images"
            )
        display((found if isinstance(found, Function) else function(found)).diff())

    @magic_arguments()
    @argument(
        "name", nargs="?", help="Name of the function, in Python or as deployed (default: all there are)."
    )
    @argument("--app", metavar="A", help="Its application; without a name, all the functions of this one.")
    @line_magic
    def fn_dashboard(self, line: str) -> None:
        """Show the live picture of a function, of an application, or of everything the executor does.

        Instances, calls over time with their cold parts, why they were cold, how long they took, the log; and
        controls: call it, make a burst of calls, cancel, change limits, deploy again, undeploy.
        """
        args = _parse(self.fn_dashboard, line)
        found = self._find(args.name, args.app) if args.name else None
        display(dashboard(found or args.name, app=args.app))

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed from here.")
    @line_magic
    def fn_panel(self, line: str) -> None:
        """Show a form that calls a function: arguments, how many calls at once, what came back."""
        found = self._callable(_parse(self.fn_panel, line).name)
        display(panel(found))

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed.")
    @argument("revision", nargs="?", type=int, help="Its number (default: the one before).")
    @argument("--app", metavar="A", help="Its application (default: the session's).")
    @line_magic
    def fn_rollback(self, line: str) -> None:
        """Let a function run an earlier revision again, and show them all. Deploying it goes forward."""
        args = _parse(self.fn_rollback, line)
        found = self._find(args.name, args.app)
        if found is not None:
            kept = found.rollback(args.revision).revisions()
        else:
            app = args.app or sessions.current().settings.app
            rollback_function(app, args.name, args.revision)
            kept = function_revisions(app, args.name)
        display({"text/plain": str(kept)}, raw=True)

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed.")
    @argument(
        "arguments", nargs="*", metavar="K=V", help="Its arguments, by name or in order: JSON, or text."
    )
    @argument("--app", metavar="A", help="Its application (default: the session's).")
    @line_magic
    def fn_invoke(self, line: str) -> object:
        """Call a function: `%fn_invoke greet name=Ana times=2`. Its value is the value of the line.

        A word that is JSON is that value (`2`, `true`, `[1,2]`), any other is text as it is.
        """
        args = _parse(self.fn_invoke, line)
        values, named = _arguments(args.arguments)
        found = self._find(args.name, args.app)
        if found is not None:
            return found(*values, **named)
        if values and named:
            raise BadInput(
                f"{args.name} was not made here", hint="give all arguments by name, or all in order"
            )
        given = named or (values[0] if len(values) == 1 else values)
        body = json.dumps(given) if args.arguments else ""
        _, app = _session_and_app(args.app)
        answer = invoke_function(app, args.name, body, content_type="application/json")
        if not answer.ok:
            raise CallError(f"{args.name}: {answer.text}", call_id=answer.call_id, status=answer.status)
        return _json_or_text(answer.text)

    @magic_arguments()
    @argument(
        "name", nargs="?", help="Name of the function, in Python or as deployed (default: all there are)."
    )
    @argument("--app", metavar="A", help="Its application; without a name, all the functions of this one.")
    @line_magic
    def fn_stats(self, line: str) -> None:
        """Show how functions did: calls, cold and warm, how long they took; instances and their memory."""
        args = _parse(self.fn_stats, line)
        found = self._find(args.name, args.app) if args.name else None
        display(stats(found or args.name, app=args.app))

    @magic_arguments()
    @argument("name", help="Name of the function, in Python or as deployed.")
    @argument("--app", metavar="A", help="Its application (default: the session's).")
    @line_magic
    def fn_undeploy(self, line: str) -> None:
        """Remove a function from the target."""
        args = _parse(self.fn_undeploy, line)
        found = self._find(args.name, args.app)
        _, app = _session_and_app(args.app)
        removed = found.undeploy() if found else remove(sessions.current(), app, args.name)
        display({"text/plain": f"{args.name}: {'removed' if removed else 'was not deployed'}"}, raw=True)

    def _callable(self, name: str) -> Callable[..., Any]:
        """The function of that name, deployed or not; a plain one stands for itself with no options."""
        found = self._find(name, None) or self._shell.user_ns.get(name)
        if not callable(found):
            raise BadInput(f"{name!r} is no function of this notebook", hint="run the cell that defines it")
        return found

    def _find(self, name: str, app: str | None) -> Remote[..., Any] | None:
        """The function of this notebook that has the name, as a variable or as what it is deployed under."""
        values = self._shell.user_ns
        for value in (values.get(name), *values.values()):
            if not isinstance(value, Remote) or app not in (None, value.spec.app):
                continue
            if value is values.get(name) or value.spec.name == name:
                return value
        return None


def _session_and_app(app: str | None) -> tuple[Any, str]:
    session = sessions.current()
    return session.ask, app or session.settings.app


def _arguments(words: Sequence[str]) -> tuple[list[object], dict[str, object]]:
    """Values in order, and by name."""
    values: list[object] = []
    named: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name.isidentifier():
            named[name] = _json_or_text(value)
        else:
            values.append(_json_or_text(word))
    return values, named


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text

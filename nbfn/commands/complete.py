"""What Tab offers in place of a name. It never starts an executor and never fails: then it offers nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from click.shell_completion import CompletionItem

from nbfn.commands.edge import Edge
from nbfn.errors import NbfnError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click
    import httpx

    from nbfn.contexts import Context
    from nbfn.deploy.control import Control

T = TypeVar("T")
_TIMEOUT_S = 2.0


def contexts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of contexts."""
    from nbfn.contexts import Contexts

    try:
        return _items(Contexts().names(), incomplete)
    except NbfnError:
        return []


def keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys of contexts."""
    from nbfn.contexts.context import KEYS, ORACLE_KEYS

    return _items([*KEYS, *ORACLE_KEYS], incomplete)


def providers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What contexts can have as provider."""
    from nbfn.contexts import PROVIDERS

    return _items(PROVIDERS, incomplete)


def shapes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shapes of OCI's applications."""
    from nbfn.deploy.oci.limits import SHAPES

    return _items(SHAPES, incomplete.upper())


def runtimes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Runtimes that ``init`` knows."""
    from nbfn.projects import RUNTIMES

    return _items([*RUNTIMES, "docker"], incomplete)


def apps(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of applications."""
    return _items(_names(ctx, "", ""), incomplete)


def functions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of functions of the application that was named before."""
    return _items(_names(ctx, str(ctx.params.get("app") or ""), ""), incomplete)


def own_functions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of functions of ``--app``, or of the application that cells go to."""
    from nbfn import config

    try:
        app = str(ctx.params.get("app") or "") or config.load().app
    except NbfnError:
        return []
    return _items(_names(ctx, app, ""), incomplete)


def images(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of images; those of functions as ``APP/FUNCTION``."""
    from nbfn.containerize.recipe import LOCAL

    return _items([name.removeprefix(f"{LOCAL}/") for name in _image_names()], incomplete)


def given_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of images, but those of functions."""
    from nbfn.containerize.recipe import LOCAL

    return _items([name for name in _image_names() if not name.startswith(f"{LOCAL}/")], incomplete)


def triggers(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of triggers of the function that was named before."""
    app, function = str(ctx.params.get("app") or ""), str(ctx.params.get("function") or "")
    return _items(_names(ctx, app, function), incomplete)


def config_keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Configuration keys of the application or function that was named before."""
    return _items(sorted(_held(ctx).get("config") or {}), incomplete)


def properties(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the object that was named before has."""
    return _items(sorted(_held(ctx)), incomplete)


def revisions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Numbers of the revisions of the function that was named before, newest first."""
    app, function = str(ctx.params.get("app") or ""), str(ctx.params.get("function") or "")

    def numbers(client: httpx.Client) -> list[str]:
        from nbfn.deploy.fn import FnTarget

        target = FnTarget(client)
        return [str(each.number) for each in target.revisions(target.inspect(app, function).id)]

    return _items(_ask(ctx, numbers), incomplete)


def _names(ctx: click.Context, app: str, function: str) -> list[str]:
    return _look(ctx, lambda control: _asked(control, app, function))


def _image_names() -> list[str]:
    from nbfn import config
    from nbfn.containerize import Layout

    try:
        return [name.removesuffix(":latest") for name in Layout(config.load().images).refs()]
    except NbfnError:
        return []


def _held(ctx: click.Context) -> dict[str, Any]:
    """The application, function or trigger that was named before, if its server is at hand."""
    from nbfn.commands.modes import with_modes
    from nbfn.verbs.objects import shown

    app, function, trigger = (str(ctx.params.get(each) or "") for each in ("app", "function", "trigger"))

    def named(control: Control) -> list[dict[str, Any]]:
        if trigger:
            return [control.trigger(app, function, trigger)]
        return [with_modes(shown(control.function(app, function)) if function else control.app(app))]

    found = _look(ctx, named)
    return found[0] if found else {}


def _look(ctx: click.Context, question: Callable[[Control], list[T]]) -> list[T]:
    """What is found out at the server that is meant, be it Fn's or OCI's; nothing if it is not there."""

    def at_fn(client: httpx.Client) -> list[T]:
        from nbfn.deploy.control import Control
        from nbfn.deploy.rest import Rest

        return question(Control(Rest(client)))

    def at_oci(context: Context) -> list[T]:
        from nbfn.deploy.control import Control
        from nbfn.deploy.oci import OciTarget, settings_of
        from nbfn.deploy.oci.face import FnFace
        from nbfn.deploy.oci.retry import Backoff

        target = OciTarget(settings_of(context), backoff=Backoff(attempts=1))
        target.client.timeout = _TIMEOUT_S
        try:
            return question(Control(FnFace(target)))
        finally:
            target.close()

    return _ask(ctx, at_fn, at_oci)


def _ask(
    ctx: click.Context,
    question: Callable[[httpx.Client], list[T]],
    elsewhere: Callable[[Context], list[T]] = lambda _: [],
) -> list[T]:
    """What the server that is meant says; nothing if it is not there. ``elsewhere`` asks one in OCI."""
    import httpx

    from nbfn import config, local
    from nbfn.transport import Endpoint

    try:
        context = _meant(ctx)
        if context.is_oracle:
            return elsewhere(context)
        found = (
            local.find(config.load())
            if context.is_local
            else Endpoint(context.api_url, token=context.token)
            if context.api_url
            else None
        )
        if found is None:
            return []
        with found.client(timeout=httpx.Timeout(_TIMEOUT_S)) as client:
            return question(client)
    except NbfnError:
        return []


def _meant(ctx: click.Context) -> Context:
    """A notebook stays in the context of its session, whatever another tool has chosen since."""
    from nbfn.contexts import Contexts

    root = ctx.find_root()
    asked = str(root.params.get("context") or "")
    if not asked and isinstance(root.obj, Edge) and root.obj.in_notebook:
        return root.obj.session.context
    return Contexts().current(asked)


def _asked(control: Control, app: str, function: str) -> list[str]:
    if not app:
        held = control.apps.list()
    elif not function:
        held = control.functions.list(app_id=control.app(app)["id"])
    else:
        fn = control.function(app, function)
        held = control.triggers.list(app_id=fn["app_id"], fn_id=fn["id"])
    return [str(each["name"]) for each in held]


def _items(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]

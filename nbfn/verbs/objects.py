"""Applications, functions and triggers of the context's server, from Python.

Raises (each function, beside what it says itself):
    ExecutorNotRunning, ExecutorError: the server cannot be reached.
    NotFound, Conflict, TargetError: the server refused.
    BadInput: the context cannot be used, or a name or limit cannot be.
    Changed: it has not the etag of ``terms``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn import session as sessions
from nbfn.contexts import endpoints
from nbfn.deploy.plan import ENDPOINT_ANNOTATION
from nbfn.deploy.rest import check_terms
from nbfn.deploy.terms import USUAL
from nbfn.errors import BadInput, Changed, NotFound
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION
from nbfn.spec import ImageRef, check_app_name, check_function_name
from nbfn.verbs.noting import noting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbfn.deploy.control import Control, Object
    from nbfn.deploy.terms import Terms
    from nbfn.session import Session

TRIGGER_ENDPOINT = "fnproject.io/trigger/httpEndpoint"


@dataclass(frozen=True, slots=True)
class App:
    """An application."""

    id: str
    name: str
    config: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    syslog_url: str = ""
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, slots=True)
class Fn:
    """A function as the server holds it; :class:`nbfn.Function` is one that this process can call."""

    id: str
    name: str
    app_id: str
    image: str
    memory_mb: int
    timeout_s: int
    idle_timeout_s: int
    config: Mapping[str, str] = field(default_factory=dict)
    """Without nbfn's own key."""
    annotations: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = ""
    updated_at: str = ""

    @property
    def url(self) -> str:
        """Where ``POST`` invokes it; empty if the server does not say."""
        return str(self.annotations.get(ENDPOINT_ANNOTATION, ""))


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A way to a function by HTTP."""

    id: str
    name: str
    app_id: str
    fn_id: str
    source: str
    type: str = "http"
    annotations: Mapping[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where it listens; empty if the server does not say."""
        return str(self.annotations.get(TRIGGER_ENDPOINT, ""))


def apps(*, session: Session | None = None) -> Sequence[App]:
    """Every application, by name."""
    return [_app(held) for held in _control(session).apps.list()]


def create_app(
    name: str,
    *,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    syslog_url: str = "",
    shape: str = "",
    terms: Terms = USUAL,
    session: Session | None = None,
) -> App:
    """Make an application. Raises Conflict if there is one of that name.

    In OCI the annotation ``oracle.com/oci/subnetIds`` names its subnets (1 to 3), unless the context does,
    and ``shape`` is one of GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM.
    """
    told = {"syslog_url": syslog_url, "shape": shape}
    body = {"name": check_app_name(name), **_told(config, annotations), **told}
    given = {key: value for key, value in body.items() if value}
    return _app(_control(session).apps.create(given, terms))


def update_app(
    name: str,
    *,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    syslog_url: str | None = None,
    terms: Terms = USUAL,
    session: Session | None = None,
) -> App:
    """Change what is given of an application; a configuration value of ``""`` removes its key."""
    ours = session or sessions.current()
    body = {**_told(config, annotations), **({} if syslog_url is None else {"syslog_url": syslog_url})}
    ours.server.check(body)
    control = ours.control
    return _app(control.apps.update(control.app(name)["id"], body, terms))


def delete_app(
    name: str, *, recursive: bool = False, terms: Terms = USUAL, session: Session | None = None
) -> None:
    """Remove an application; with ``recursive`` what is in it first, else a Fn server decides about that."""
    control = _control(session)
    held = control.app(name)
    if recursive:
        _check_still(held, terms)
        for fn in control.functions.list(app_id=held["id"]):
            remove_function(control, fn)
    control.apps.delete(held["id"], terms)
    endpoints.forget((session or sessions.current()).context.name, name)


def functions(app: str, *, session: Session | None = None) -> Sequence[Fn]:
    """The functions of an application, by name. Raises NotFound if there is no such application."""
    control = _control(session)
    return [_fn(held) for held in control.functions.list(app_id=control.app(app)["id"])]


@noting("create")
def create_function(
    app: str,
    name: str,
    image: str,
    *,
    memory: int | None = None,
    timeout: int | None = None,
    idle_timeout: int | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    terms: Terms = USUAL,
    session: Session | None = None,
) -> Fn:
    """Make a function of an image, ``NAME:TAG``, that the server can read. Raises Conflict if it is there."""
    check_names(app, name)
    _check_tag(image)
    scale = _scale_notes(min_instances or None, max_instances or None)
    told = {
        "image": image,
        "memory": memory,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        **_told(config, {**(annotations or {}), **scale}),
    }
    ours = session or sessions.current()
    body = _taken(ours, told)
    control = ours.control
    return _fn(control.functions.create({"name": name, "app_id": control.app(app)["id"], **body}, terms))


@noting("update")
def update_function(
    app: str,
    name: str,
    *,
    image: str = "",
    memory: int | None = None,
    timeout: int | None = None,
    idle_timeout: int | None = None,
    min_instances: int | None = None,
    max_instances: int | None = None,
    config: Mapping[str, str] | None = None,
    annotations: Mapping[str, Any] | None = None,
    terms: Terms = USUAL,
    session: Session | None = None,
) -> Fn:
    """Change what is given of a function; a configuration value of ``""`` removes its key.

    A ``min_instances`` or ``max_instances`` of 0 is none.
    """
    if image:
        _check_tag(image)
    told = {
        "image": image,
        "memory": memory,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        **_told(config, {**(annotations or {}), **_scale_notes(min_instances, max_instances)}),
    }
    ours = session or sessions.current()
    body = _taken(ours, told)
    control = ours.control
    return _fn(control.functions.update(control.function(app, name)["id"], body, terms))


def _taken(ours: Session, told: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of ``told``, if the server takes it: nothing is left out without a word."""
    body = {key: value for key, value in told.items() if value}
    if any(map(str.isspace, str(body.get("image", "")))):
        raise BadInput(f"{body['image']!r} cannot name an image", hint="write HOST/NAME:TAG, without blanks")
    if ours.context.is_oracle and "idle_timeout" in body:
        raise BadInput(
            "OCI Functions sets no idle timeout: how long an idle instance stays is its own affair",
            hint="leave --idle-timeout out; --provisioned-concurrency constant:N keeps N instances",
        )
    ours.server.check(body)
    return body


@noting("delete")
def delete_function(app: str, name: str, *, terms: Terms = USUAL, session: Session | None = None) -> None:
    """Remove a function and its triggers."""
    control = _control(session)
    remove_function(control, control.function(app, name), terms)


def triggers(
    app: str, function: str | None = None, *, session: Session | None = None
) -> Sequence[HttpTrigger]:
    """The triggers of an application, or of one of its functions, by name."""
    control = _control(session)
    held = control.app(app)
    of = {} if function is None else {"fn_id": control.function(app, function)["id"]}
    return [_trigger(each) for each in control.triggers.list(app_id=held["id"], **of)]


def create_trigger(
    app: str,
    function: str,
    name: str,
    *,
    source: str,
    annotations: Mapping[str, Any] | None = None,
    session: Session | None = None,
) -> HttpTrigger:
    """Make a way to a function: ``/t/APP`` + ``source``, which begins with ``/``."""
    control = _control(session)
    held = control.function(app, function)
    body = {"name": name, "type": "http", "source": source, "app_id": held["app_id"], "fn_id": held["id"]}
    return _trigger(control.triggers.create({**body, **_told(None, annotations)}))


def update_trigger(
    app: str, function: str, name: str, *, annotations: Mapping[str, Any], session: Session | None = None
) -> HttpTrigger:
    """Change annotations of a trigger; one of ``""`` is removed."""
    control = _control(session)
    held = control.trigger(app, function, name)
    body = {key: held[key] for key in ("id", "name", "app_id", "fn_id", "type", "source")}
    return _trigger(control.triggers.update(held["id"], {**body, "annotations": dict(annotations)}))


def delete_trigger(app: str, function: str, name: str, *, session: Session | None = None) -> None:
    """Remove a trigger."""
    control = _control(session)
    control.triggers.delete(control.trigger(app, function, name)["id"])


def remove_function(control: Control, fn: Object, terms: Terms = USUAL) -> None:
    """Remove a function with its triggers."""
    _check_still(fn, terms)
    try:
        held = control.triggers.list(app_id=fn["app_id"], fn_id=fn["id"])
    except NotFound:  # a server without triggers
        held = []
    for each in held:
        control.triggers.delete(each["id"])
    control.functions.delete(fn["id"], terms)


def shown(held: Object) -> Object:
    """A function without nbfn's own key, which nobody is shown."""
    config = held.get("config")
    if not isinstance(config, dict) or KEY_VARIABLE not in config:
        return held
    return {**held, "config": {key: value for key, value in config.items() if key != KEY_VARIABLE}}


def check_names(app: str, name: str) -> None:
    """Return if both names can be. Raises NameRefused."""
    check_app_name(app)
    check_function_name(name)


def _check_still(held: Object, terms: Terms) -> None:
    """Before what is in it goes: the server is asked last. Raises Changed, or BadInput if it has no terms."""
    if "etag" not in held:
        check_terms(terms)
    elif terms.if_match not in ("", held["etag"]):
        raise Changed(
            f"{held['name']!r} has the etag {held['etag']} now, not {terms.if_match} (412)",
            hint="somebody else changed it meanwhile: look at it again, and repeat",
            status=412,
        )


def _check_tag(image: str) -> None:
    reference = ImageRef.parse(image)
    if not reference.tag and not reference.digest:
        raise BadInput(f"the image {image!r} has no tag", hint=f"say which: {image}:latest")


def _scale_notes(min_instances: int | None, max_instances: int | None) -> dict[str, Any]:
    """The annotations that change what is given; one of 0 is removed."""
    given = {MIN_ANNOTATION: min_instances, MAX_ANNOTATION: max_instances}
    return {name: value or "" for name, value in given.items() if value is not None}


def _told(config: Mapping[str, str] | None, annotations: Mapping[str, Any] | None) -> dict[str, Any]:
    told = {"config": config and dict(config), "annotations": annotations and dict(annotations)}
    return {key: value for key, value in told.items() if value}


def _control(session: Session | None) -> Control:
    return (session or sessions.current()).control


def _app(held: Object) -> App:
    return App(
        id=held["id"],
        name=held["name"],
        config=held.get("config") or {},
        annotations=held.get("annotations") or {},
        syslog_url=held.get("syslog_url") or "",
        created_at=held.get("created_at", ""),
        updated_at=held.get("updated_at", ""),
    )


def _fn(held: Object) -> Fn:
    held = shown(held)
    return Fn(
        id=held["id"],
        name=held["name"],
        app_id=held["app_id"],
        image=held.get("image", ""),
        memory_mb=held.get("memory", 0),
        timeout_s=held.get("timeout", 0),
        idle_timeout_s=held.get("idle_timeout", 0),
        config=held.get("config") or {},
        annotations=held.get("annotations") or {},
        created_at=held.get("created_at", ""),
        updated_at=held.get("updated_at", ""),
    )


def _trigger(held: Object) -> HttpTrigger:
    return HttpTrigger(
        id=held["id"],
        name=held["name"],
        app_id=held["app_id"],
        fn_id=held["fn_id"],
        source=held.get("source", ""),
        type=held.get("type", "http"),
        annotations=held.get("annotations") or {},
    )

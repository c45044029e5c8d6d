"""What Fn accepts: from a document that a client sent to an object, new or changed. Pure.

Raises (each function): TargetError with Fn's status and message (``fnproject/fn`` models).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from nbfn.errors import BadInput, Conflict, LimitError
from nbfn.executor.fields import (
    APP_NAME,
    SHAPES,
    check_texts,
    merged_annotations,
    merged_config,
    number,
    refused,
    syslog_url,
    text,
)
from nbfn.executor.objects import App, Fn, Trigger
from nbfn.spec import IDLE_TIMEOUT_S, MEMORY_MB, NAME_MAX_BYTES, TIMEOUT_S, check_function_name

if TYPE_CHECKING:
    from nbfn.executor.objects import Document

TRIGGER_TYPES = ("http",)


# Applications


def new_app(document: Document, app_id: str, now: str) -> App:
    """The application that ``document`` asks for."""
    check_texts(document, App)
    if text(document, "id"):
        raise refused("App ID cannot be supplied on create")
    name = text(document, "name")
    if not name:
        raise refused("Missing Name")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise refused("App name must be 255 characters or less")
    if not re.fullmatch(APP_NAME, name):
        raise refused("Invalid app name")
    shape = text(document, "shape")
    if shape not in SHAPES:
        raise refused("Invalid app shape")
    return App(
        id=app_id,
        name=name,
        config=merged_config({}, document),
        annotations=merged_annotations({}, document, creating=True),
        syslog_url=syslog_url(document),
        shape=shape,
        created_at=now,
        updated_at=now,
    )


def changed_app(old: App, document: Document, now: str) -> App:
    """``old`` with ``document`` merged in; ``old`` itself if that changes nothing."""
    check_texts(document, App)
    if text(document, "id") not in ("", old.id):
        raise refused("App ID in path does not match ID in body")
    if text(document, "name") not in ("", old.name):
        raise Conflict("Could not update - name is immutable", status=409)
    new = replace(
        old,
        config=merged_config(old.config, document),
        annotations=merged_annotations(old.annotations, document),
        syslog_url=old.syslog_url if document.get("syslog_url") is None else syslog_url(document),
    )
    return old if new == old else replace(new, updated_at=now)


# Functions


def new_fn(document: Document, fn_id: str, now: str) -> Fn:
    """The function that ``document`` asks for. Its application gives the shape, once it is looked up."""
    check_texts(document, Fn)
    if text(document, "id"):
        raise refused("ID cannot be provided for Fn creation")
    name = text(document, "name")
    if not name:
        raise refused("Missing Fn name")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise refused("Fn name must be 255 characters or less")
    try:
        check_function_name(name)
    except BadInput:
        raise refused("name must be a valid string") from None
    app_id, image = text(document, "app_id"), text(document, "image")
    if not app_id:
        raise refused("Missing AppID on Fn")
    if not image:
        raise refused("Missing image on Fn")
    fn = Fn(id=fn_id, name=name, app_id=app_id, image=image, created_at=now, updated_at=now)
    fn = replace(
        _with_limits(fn, document),
        config=merged_config({}, document),
        annotations=merged_annotations({}, document, creating=True),
    )
    _check_scale(fn)
    return fn


def changed_fn(old: Fn, document: Document, now: str) -> Fn:
    """``old`` with ``document`` merged in; ``old`` itself if that changes nothing.

    Fn ignores another name or application without a word, and so does this.
    """
    check_texts(document, Fn)
    if text(document, "id") not in ("", old.id):
        raise refused("Fn ID in path does not match that in body")
    new = replace(
        _with_limits(old, document),
        image=text(document, "image") or old.image,
        config=merged_config(old.config, document),
        annotations=merged_annotations(old.annotations, document),
    )
    _check_scale(new)
    return old if new == old else replace(new, updated_at=now)


def _check_scale(fn: Fn) -> None:
    try:
        _ = fn.scale
    except LimitError as error:
        raise refused(f"annotation nbfn.org/{error.message}: {error.hint}") from None


def _with_limits(fn: Fn, document: Document) -> Fn:
    memory, timeout, idle = (number(document, k) for k in ("memory", "timeout", "idle_timeout"))
    if memory and memory not in MEMORY_MB:
        raise refused("memory value is out of range. It should be between 0 and 8192")
    if timeout and timeout not in TIMEOUT_S:
        raise refused("timeout value is out of range, must be between 0 and 300")
    if idle and idle not in IDLE_TIMEOUT_S:
        raise refused("idle_timeout value is out of range, must be between 0 and 3600")
    return replace(
        fn,
        memory=memory or fn.memory,
        timeout=timeout or fn.timeout,
        idle_timeout=idle or fn.idle_timeout,
    )


# Triggers


def new_trigger(document: Document, trigger_id: str, now: str) -> Trigger:
    """The trigger that ``document`` asks for; whether its function is there is not looked at."""
    check_texts(document, Trigger)
    if text(document, "id"):
        raise refused("ID cannot be provided for Trigger creation")
    trigger = Trigger(
        id=trigger_id,
        name=text(document, "name"),
        app_id=text(document, "app_id"),
        fn_id=text(document, "fn_id"),
        created_at=now,
        updated_at=now,
        type=text(document, "type"),
        source=text(document, "source"),
        annotations=merged_annotations({}, document, creating=True),
    )
    _check_trigger(trigger)
    return trigger


def changed_trigger(old: Trigger, document: Document, now: str) -> Trigger:
    """``old`` with ``document`` merged in; ``old`` itself if that changes nothing.

    It may get another name, source and function. Fn ignores another application or type, and so does this.
    """
    check_texts(document, Trigger)
    if text(document, "id") not in ("", old.id):
        raise refused("ID in path does not match ID in body")
    new = replace(
        old,
        name=text(document, "name") or old.name,
        fn_id=text(document, "fn_id") or old.fn_id,
        source=text(document, "source") or old.source,
        annotations=merged_annotations(old.annotations, document),
    )
    _check_trigger(new)
    return old if new == old else replace(new, updated_at=now)


def _check_trigger(trigger: Trigger) -> None:
    if not trigger.name:
        raise refused("Missing name on Trigger")
    if not trigger.app_id:
        raise refused("Missing App ID on Trigger")
    if len(trigger.name.encode()) > NAME_MAX_BYTES:
        raise refused("Trigger name must be 255 characters or less")
    if not re.fullmatch(APP_NAME, trigger.name):
        raise refused("Invalid name for Trigger")
    if not trigger.fn_id:
        raise refused("Missing Fn ID on Trigger")
    if trigger.type not in TRIGGER_TYPES:
        raise refused("Trigger Type Not Supported")
    if not trigger.source:
        raise refused("Missing Trigger Source")
    if not trigger.source.startswith("/"):
        raise refused("Missing Trigger Source Prefix '/'")

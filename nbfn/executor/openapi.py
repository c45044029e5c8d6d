"""What the control plane takes and answers, as OpenAPI 3.1: ``/nbfn/v1/openapi.json``, from the tables below.

``tests/executor/test_openapi.py`` holds it to the routes and to what they answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from nbfn import __version__
from nbfn.executor.taken import TAKEN, Schema

_TEXT: Schema = {"type": "string"}
_SOME: Schema = {"type": "string", "minLength": 1}
_WHOLE: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_TRUTH: Schema = {"type": "boolean"}
_ANY: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", /, **fields: Schema) -> Schema:
    """``required`` names those that are always there; ``*`` are all of them."""
    always = list(fields) if required == "*" else required.split()
    return {"type": "object", "properties": fields, **({"required": always} if always else {})}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _items(name: str) -> Schema:
    return _object("items", items=_list(_ref(name)))


def _page(name: str) -> Schema:
    return _object("items", items=_list(_ref(name)), next_cursor=_TEXT)


_LIMITS = dict.fromkeys(("memory", "timeout", "idle_timeout"), _WHOLE)
_SET = {"config": _TEXTS, "annotations": _ANY}
_TIMES = {"created_at": _TEXT, "updated_at": _TEXT}
_TIMINGS = dict.fromkeys(("queue", "start", "import", "run", "total"), _NUMBER)

SCHEMAS: dict[str, Schema] = {
    "Error": _object("message", message=_TEXT),
    "App": _object("id name", id=_TEXT, name=_TEXT, syslog_url=_TEXT, shape=_TEXT, **_SET, **_TIMES),
    "Fn": _object(
        "id name app_id image config",
        id=_TEXT, name=_TEXT, app_id=_TEXT, image=_TEXT, shape=_TEXT, **_LIMITS, **_SET, **_TIMES,
    ),
    "Trigger": _object(
        "id name app_id fn_id type source annotations",
        id=_TEXT, name=_TEXT, app_id=_TEXT, fn_id=_TEXT, type=_TEXT, source=_TEXT, annotations=_ANY, **_TIMES,
    ),
    "Info": _object(
        "pid version state images driver isolation memory_mb leases instances calls",
        pid=_WHOLE, version=_TEXT, api=_WHOLE, started_at=_NUMBER, state=_TEXT, images=_TEXT, socket=_TEXT,
        url=_TEXT, driver=_TEXT, memory_mb=_WHOLE, leases=_WHOLE, instances=_WHOLE, calls=_WHOLE,
        isolation=_object("*", tier=_TEXT, mechanisms=_list(_TEXT), missing=_list(_TEXT)),
    ),
    "Instance": _object(
        "*", id=_TEXT, state={"enum": ["starting", "idle", "busy", "stopping"]}, started_at=_NUMBER,
        calls=_WHOLE, memory_bytes=_WHOLE,
    ),
    "Call": _object(
        "id fn_id instance_id start reason status message queued_at timings_ms",
        id=_TEXT, fn_id=_TEXT, instance_id=_TEXT, start={"enum": ["", "cold", "warm"]}, reason=_TEXT,
        status={**_WHOLE, "description": "0 while it waits or runs"}, message=_TEXT, queued_at=_NUMBER,
        timings_ms={"type": "object", "properties": _TIMINGS},
        result=_object("*", done=_TRUTH, content_type=_TEXT, bytes=_WHOLE, cut=_TRUTH),
    ),
    "Step": _object("at what", at=_NUMBER, what=_TEXT, took_ms=_NUMBER, stream=_TEXT, text=_TEXT),
    "Timeline": _object("*", call=_ref("Call"), items=_list(_ref("Step"))),
    "Log": _object(
        "*", at=_NUMBER, stream={"enum": ["stdout", "stderr"]}, text=_TEXT, call_id=_TEXT, instance_id=_TEXT,
    ),
    "Revision": _object(
        "*", number=_WHOLE, at=_TEXT, current=_TRUTH, image=_TEXT, digest=_TEXT, memory=_WHOLE,
        timeout=_WHOLE, idle_timeout=_WHOLE, changed=_list(_TEXT), restores=_WHOLE,
    ),
    "Image": _object("*", image=_TEXT, digest=_TEXT),
    **TAKEN,
}  # fmt: skip

_CURSOR = {**_TEXT, "description": "the next_cursor of the page before"}
_PAGING = {
    "per_page": {**_TEXT, "description": "30 if it is no number above 0, 100 if it is a larger one"},
    "cursor": _CURSOR,
    "name": _TEXT,
}


def _limited(largest: int) -> Schema:
    return {**_WHOLE, "minimum": 1, "description": f"more than {largest} is {largest}"}


_PLAIN: Schema = {"text/plain": {"schema": _TEXT}}


def _operation(
    about: str,
    answer: Schema | None = None,
    *,
    status: int = 200,
    body: Schema | None = None,
    needs: str = "",
    errors: str = "",
    content: Schema | None = None,
    query: dict[str, Schema] | None = None,
) -> Schema:
    """``query`` are its parameters, of which it ``needs`` some. Any may answer 401, 421, 500 and 507."""
    told = content if content is not None else {"application/json": {"schema": answer}} if answer else None
    failed = {"description": "why not", "content": {"application/json": {"schema": _ref("Error")}}}
    found: Schema = {
        "summary": about,
        "responses": {
            str(status): {"description": about, **({"content": told} if told else {})},
            **dict.fromkeys(("401", "421", "500", "507", *errors.split()), failed),
        },
    }
    if query:
        found["parameters"] = [
            {"name": name, "in": "query", "required": name in needs.split(), "schema": schema}
            for name, schema in query.items()
        ]
    if body:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return found


def _crud(name: str, key: str, **listing: Schema) -> dict[str, Schema]:
    """The paths of one of Fn's kinds of objects."""
    what = name.lower()
    needs = "app_id" if "app_id" in listing else ""
    listed = _operation(
        f"a page of {what}s", _page(name), needs=needs, errors="400", query={**_PAGING, **listing}
    )
    new = _operation(f"a new {what}", _ref(name), body=_ref(f"New{name}"), errors="400 404 409 413")
    change = _operation(
        f"merges fields into the {what}", _ref(name), body=_ref(f"{name}Change"), errors="400 404 409 413"
    )
    return {
        f"/v2/{what}s": {"get": listed, "post": new},
        f"/v2/{what}s/{{{key}}}": {
            "get": _operation(f"the {what}", _ref(name), errors="404"),
            "put": change,
            "delete": _operation(f"there is no such {what} any more", status=204, errors="404"),
        },
    }


_GONE = _operation("Fn removed this: see /nbfn/v1", status=410)
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_CALLED = _operation("what the function answers", errors="400 404 409 413 429 502 503 504", content={})
_TRIGGERED = _operation(
    "what the function behind a trigger answers", errors="404 413 429 502 503 504", content={}
)

PATHS: dict[str, dict[str, Schema]] = {
    "/": {"get": _operation("a greeting", _object("*", goto=_TEXT, hello=_TEXT))},
    "/version": {"get": _operation("the version", _object("*", version=_TEXT))},
    **_crud("App", "app_id"),
    **_crud("Fn", "fn_id", app_id=_SOME),
    **_crud("Trigger", "trigger_id", app_id=_SOME, fn_id=_TEXT),
    "/v2/fns/{fn_id}/calls": {"get": _GONE},
    "/v2/fns/{fn_id}/calls/{call_id}": {"get": _GONE},
    "/v2/fns/{fn_id}/calls/{call_id}/log": {"get": _GONE},
    "/invoke/{fn_id}": {"post": _CALLED},
    "/t/{app_name}/{source}": dict.fromkeys(_METHODS, _TRIGGERED),
    "/metrics": {"get": _operation("metrics for Prometheus", content=_PLAIN)},
    "/nbfn/v1/openapi.json": {"get": _operation("this", _ANY)},
    "/nbfn/v1/info": {"get": _operation("what this executor is", _ref("Info"))},
    "/nbfn/v1/lease": {"get": _operation("stays open, and keeps the executor for so long", content=_PLAIN)},
    "/nbfn/v1/events": {
        "get": _operation(
            "what happens, as server-sent events",
            content={"text/event-stream": {}},
            errors="400",
            query={
                "fn_id": _TEXT,
                "after": {**_TEXT, "pattern": "^(now|([0-9a-f]{1,32}-)?[0-9]+)?$"},
            },
        )
    },
    "/nbfn/v1/fns/{fn_id}/instances": {
        "get": _operation("instances of a function", _items("Instance"), errors="404"),
        "delete": _operation("stops them, each after its call", status=204, errors="404"),
    },
    "/nbfn/v1/fns/{fn_id}/calls": {
        "get": _operation(
            "calls that wait or run, then those that are over, newest first",
            _page("Call"),
            errors="400 404",
            query={"per_page": _limited(1000), "cursor": _CURSOR},
        )
    },
    "/nbfn/v1/fns/{fn_id}/logs": {
        "get": _operation(
            "output, oldest first",
            _items("Log"),
            errors="400 404",
            query={"call_id": _TEXT, "limit": _limited(10_000)},
        )
    },
    "/nbfn/v1/fns/{fn_id}/revisions": {
        "get": _operation("revisions, newest first", _items("Revision"), errors="404")
    },
    "/nbfn/v1/fns/{fn_id}/rollback": {
        "post": _operation(
            "runs what a revision ran", _ref("Revision"), body=_ref("Rollback"), errors="400 404 409 413"
        )
    },
    "/nbfn/v1/images": {"get": _operation("images that revisions need", _items("Image"))},
    "/nbfn/v1/calls/{call_id}": {
        "get": _operation("one call", _ref("Call"), errors="404"),
        "delete": _operation("the call is ended", status=204, errors="404"),
    },
    "/nbfn/v1/calls/{call_id}/timeline": {
        "get": _operation("what happened in one call, and when", _ref("Timeline"), errors="404")
    },
    "/nbfn/v1/calls/{call_id}/result": {
        "get": _operation("what a detached call answered", content={}, errors="202 404 503")
    },
    "/nbfn/v1/stop": {
        "post": _operation(
            "calls are finished, then it stops",
            _object("message", message=_TEXT, cut_off=_WHOLE),
            status=202,
            errors="400",
            query={"grace_s": {**_NUMBER, "minimum": 0, "maximum": 3600}, "wait": _TRUTH},
        )
    },
}


@cache
def description() -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, Schema] = {}
    for path, operations in PATHS.items():
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        paths[path] = dict(operations)
        if names:
            paths[path]["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names
            ]
    return {
        "openapi": "3.1.0",
        "info": {"title": "nbfn executor", "version": __version__},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }

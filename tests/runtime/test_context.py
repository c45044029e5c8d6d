"""Handlers in the style of Fn's FDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.instance import Instance

    Start = Callable[..., Instance]


def test_what_a_handler_can_ask(start: Start) -> None:
    instance = start(
        """
        def greet(ctx, data):
            return {
                "body": data.getvalue().decode(), "app": ctx.AppName(),
                "fn": ctx.FnName(), "call": ctx.CallID(), "memory": ctx.Memory(), "format": ctx.Format(),
                "method": ctx.Method(), "url": ctx.RequestURL(), "color": ctx.Config()["COLOR"],
                "header": ctx.Headers().get("X-One"), "also": ctx.Headers()["x-one"],
                "none": ctx.Headers().get("x-two"), "deadline": ctx.Deadline(),
                "http": dict(ctx.HTTPHeaders()), "ids": [ctx.AppID(), ctx.FnID()],
            }
        """,
        style="context",
        env={"COLOR": "red", "FN_APP_ID": "A", "FN_FN_ID": "F"},
    )
    reply = instance.call(b"raw {", fn_call_id="01M", x_one="1", fn_deadline="2026-11-24T12:24:46Z")
    assert reply.json == {
        "body": "raw {", "app": "notebook", "fn": "greet", "call": "01M", "memory": 256,
        "format": "http-stream", "method": "POST", "url": None, "color": "red", "header": "1", "also": "1",
        "none": None, "deadline": "2026-11-24T12:24:46Z", "http": {}, "ids": ["A", "F"],
    }  # fmt: skip


def test_behind_an_http_trigger(start: Start) -> None:
    instance = start(
        """
        def greet(ctx, data):
            ctx.SetResponseHeaders({"Content-Type": "text/html", "X-Seen": ctx.Headers().get("X-One")}, 201)
            return f"<p>{ctx.Method()} {ctx.RequestURL()}</p>"
        """,
        style="context",
    )
    reply = instance.call(
        fn_intent="httprequest", fn_http_method="GET", fn_http_request_url="http://x/y", Fn_Http_H_X_One="1"
    )
    assert (reply.status, reply.body) == (200, b"<p>GET http://x/y</p>")
    assert reply.headers["content-type"] == "text/html"
    assert reply.headers["fn-http-status"] == "201"
    assert reply.headers["fn-http-h-x-seen"] == "1"


RESPONSE = """
class Response:  # as fdk.response.Response
    def __init__(self, ctx, response_data=None, headers=None, status_code=200):
        self.response_data = response_data
        self.status_code = status_code
        ctx.SetResponseHeaders(headers or {}, status_code)
"""


@pytest.mark.parametrize(
    ("returned", "content_type", "body"),
    [
        ("'text'", "text/plain; charset=utf-8", b"text"),
        ("b'raw'", "application/octet-stream", b"raw"),
        ("{'a': 1}", "application/json", b'{"a":1}'),
        ("None", "application/json", b"null"),
        (
            "Response(ctx, '{\"a\": 1}', {'Content-Type': 'application/json'})",
            "application/json",
            b'{"a": 1}',
        ),
        ("Response(ctx, 'é', {'content-type': 'text/html'})", "text/html", "é".encode()),
    ],
)
def test_what_a_handler_can_return(start: Start, returned: str, content_type: str, body: bytes) -> None:
    reply = start(f"{RESPONSE}\ndef greet(ctx, data=None): return {returned}", style="context").call()
    assert (reply.status, reply.headers["content-type"], reply.body) == (200, content_type, body)


def test_headers_stay_on_one_line_and_leave_ours_alone(start: Start) -> None:
    source = """
        def greet(ctx, data):
            ctx.SetResponseHeaders({"X-A": "1\\r\\nX-B: 2", "Content-Length": "1"}, 200)
            ctx.SetResponseHeaders({"Nbfn-Instance-Id": "no"}, 200)
            return "12345"
    """
    reply = start(source, style="context").call()
    assert reply.body == b"12345"
    assert reply.headers["x-a"] == "1X-B: 2"
    assert reply.headers["nbfn-instance-id"] == "3f2a"


def test_our_own_calls_bring_the_arguments_themselves(start: Start) -> None:
    instance = start("def greet(ctx, data): return [ctx, data]", style="context")
    assert instance.call_nbfn(None, data=1).json == {"value": [None, 1]}

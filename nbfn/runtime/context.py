"""What an FDK-style ``handler(ctx, data)`` is given, with the method names of Fn's own FDK for Python."""

from __future__ import annotations

import os

from .values import as_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "fn-http-h-"
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-type"})
_DEFAULT_TIMEOUT_S = 30


class CallHeaders(dict[str, str]):
    """Headers whose names are the same in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class Context:
    """One call, as its handler sees it."""

    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = CallHeaders(headers)
        self.response_headers: dict[str, str] = {}
        self.status: int | None = None

    @property
    def is_gateway(self) -> bool:
        """True if an HTTP trigger is between the client and the function."""
        return self._headers.get("fn-intent") == "httprequest"

    def AppID(self) -> str | None:
        return os.environ.get("FN_APP_ID")

    def AppName(self) -> str | None:
        return os.environ.get("FN_APP_NAME")

    def FnID(self) -> str | None:
        return os.environ.get("FN_FN_ID")

    def FnName(self) -> str | None:
        return os.environ.get("FN_FN_NAME")

    def CallID(self) -> str | None:
        return self._headers.get("fn-call-id")

    def Config(self) -> Mapping[str, str]:
        """The environment: the application's and the function's configuration among it."""
        return os.environ

    def Headers(self) -> CallHeaders:
        """Headers of the call; of an HTTP trigger, those that its client sent."""
        return self.HTTPHeaders() if self.is_gateway else self._headers

    def HTTPHeaders(self) -> CallHeaders:
        """Headers that the client of an HTTP trigger sent; empty without one."""
        sent = {
            name[len(_PREFIX) :]: value for name, value in self._headers.items() if name.startswith(_PREFIX)
        }
        if self.is_gateway and "content-type" in self._headers:
            sent["content-type"] = self._headers["content-type"]
        return CallHeaders(sent)

    def Format(self) -> str:
        return "http-stream"

    def Memory(self) -> int:
        """MB that the instance may use; 0 if nobody says."""
        text = os.environ.get("FN_MEMORY", "")
        return int(text) if text.isdecimal() else 0

    def Method(self) -> str:
        return self._headers.get("fn-http-method") or "POST"

    def RequestURL(self) -> str | None:
        return self._headers.get("fn-http-request-url")

    def Deadline(self) -> str:
        """When the call is ended, as RFC 3339 text."""
        told = self._headers.get("fn-deadline")
        if told:
            return told
        from datetime import UTC, datetime, timedelta

        return (datetime.now(UTC) + timedelta(seconds=_DEFAULT_TIMEOUT_S)).isoformat()

    def SetResponseHeaders(self, headers: Mapping[str, object], status_code: int = 200) -> None:
        """Headers and HTTP status of the answer (the status reaches clients of HTTP triggers only)."""
        for name, value in headers.items():
            self.response_headers[_one_line(name).lower()] = _one_line(value)
        self.status = status_code

    def GetResponseHeaders(self) -> Mapping[str, str]:
        return self.response_headers


def respond(context: Context, value: object) -> tuple[str, str, bytes]:
    """Content type, further header lines and body for what a handler returned.

    A response object (anything with ``response_data``, as the FDK's ``Response``) brings its own
    headers and status; everything else is the body.

    Raises:
        BadResult: the body cannot be made of it.
    """
    if hasattr(value, "response_data"):
        headers = getattr(value, "headers", None)
        status = getattr(value, "status_code", None)
        if headers or (status and context.status is None):
            context.SetResponseHeaders(headers or {}, status or 200)
        value = value.response_data
    content_type, body = as_text(value, context.response_headers.get("content-type", ""))
    return content_type, header_lines(context), body


def header_lines(context: Context) -> str:
    """The headers and the status that a handler has set, but for its content type."""
    prefix = "Fn-Http-H-" if context.is_gateway else ""
    lines = [
        f"{prefix}{name.title()}: {content}\r\n"
        for name, content in context.response_headers.items()
        if name not in _FRAMING and (prefix or not name.startswith("nbfn-"))
    ]
    if context.status is not None:
        lines.append(f"Fn-Http-Status: {context.status}\r\n")
    return "".join(lines)


def _one_line(text: object) -> str:
    return "".join(character for character in str(text) if character.isprintable())

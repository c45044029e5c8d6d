"""Where a syslog is, and how a line of output is told to it: RFC 5424, as Fn's containers do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMES = ("tcp", "udp", "unix", "unixgram", "tcp+tls")
LINE_CHARS = 8192
_PORT, _TLS_PORT = 514, 6514
_USER = 1 << 3
_SEVERITY = {"stdout": 6, "stderr": 3}


@dataclass(frozen=True, slots=True)
class Destination:
    """A syslog. ``path`` is that of a socket, ``host`` and ``port`` are those of any other."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{self.path or f'{host}:{self.port}'}"

    @property
    def counted(self) -> bool:
        """True if messages begin with their length (RFC 5425), false if they end with a line."""
        return self.scheme == "tcp+tls"

    @property
    def datagrams(self) -> bool:
        return self.scheme in ("udp", "unixgram")

    @classmethod
    def parse(cls, url: str) -> Destination:
        """Raises ValueError, saying what is wrong with ``url``."""
        parts = urlsplit(url)
        scheme = parts.scheme
        if scheme not in SCHEMES:
            raise ValueError(f"invalid scheme, only [{', '.join(SCHEMES)}] are supported")
        if scheme in ("unix", "unixgram"):
            path = parts.netloc + parts.path
            if not path.startswith("/") or "\0" in path:
                raise ValueError(f"the path of a socket is missing, as in {scheme}:///dev/log")
            return cls(scheme, path=path)
        if not parts.hostname:
            raise ValueError(f"the host is missing, as in {scheme}://logs.example.com:{_PORT}")
        default = _TLS_PORT if scheme == "tcp+tls" else _PORT
        port = default if parts.port is None else parts.port
        if not port:
            raise ValueError("no port has the number 0")
        return cls(scheme, parts.hostname, port)


@dataclass(frozen=True, slots=True)
class Source:
    """Whose output it is."""

    app_id: str
    fn_id: str
    instance_id: str
    app_name: str = ""


def message(source: Source, stream: str, text: str, call_id: str, at: str, host: str) -> bytes:
    """One line: ``<14>1 TIME HOST app_id=…,fn_id=… INSTANCE CALL - text``; standard error is ``<11>``."""
    priority = _USER + _SEVERITY.get(stream, 6)
    tag = f"app_id={source.app_id},fn_id={source.fn_id}"
    head = f"<{priority}>1 {at} {host or '-'} {tag} {source.instance_id or '-'} {call_id or '-'} - "
    return (head + text).encode()


def framed(told: bytes, to: Destination) -> bytes:
    """``told`` as it goes to ``to``."""
    if to.datagrams:
        return told
    return b"%d %b" % (len(told), told) if to.counted else told + b"\n"


class Lines:
    """Pieces of one instance's output made into lines, each belonging to one call."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[str, str]] = {}

    def feed(self, stream: str, text: str, call_id: str) -> Iterator[tuple[str, str, str]]:
        """The lines that are whole now: stream, text, call id."""
        owner, begun = self._begun.pop(stream, (call_id, ""))
        if owner != call_id:
            yield from _cut(stream, begun, owner)
            begun = ""
        *whole, rest = (begun + text).split("\n")
        for line in whole:
            yield from _cut(stream, line.removesuffix("\r"), call_id)
        if len(rest) > LINE_CHARS:
            yield from _cut(stream, rest[:LINE_CHARS], call_id)
            rest = rest[LINE_CHARS:]
        if rest:
            self._begun[stream] = call_id, rest

    def rest(self) -> Iterator[tuple[str, str, str]]:
        """What has begun, as if it were whole."""
        begun, self._begun = self._begun, {}
        for stream, (call_id, text) in begun.items():
            yield from _cut(stream, text, call_id)

    @property
    def begun(self) -> bool:
        """True if the end of a line is still to come."""
        return bool(self._begun)


def _cut(stream: str, text: str, call_id: str) -> Iterator[tuple[str, str, str]]:
    for at in range(0, len(text), LINE_CHARS):
        yield stream, text[at : at + LINE_CHARS], call_id

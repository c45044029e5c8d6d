"""The exchange of a request that is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbfn.executor.body import Body
    from nbfn.executor.front import Connection
    from nbfn.executor.http import Request


class Refused:
    """The answer to a request that is not taken. A small body is read first, so that the connection stays."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        body: Body,
        status: int,
        message: str,
        more: bytes = b"",
    ) -> None:
        self._connection, self._request, self._body = connection, request, body
        self._answer = status, message, more

    def start(self) -> None:
        if self._body.complete or not self._body.small or self._request.expects_continue:
            self._connection.refuse(self._request, *self._answer)

    def fed(self) -> None:
        if self._body.complete:
            self._connection.refuse(self._request, *self._answer)

    def gone(self) -> None:
        pass

    pause = resume = gone

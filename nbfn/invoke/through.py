"""Requests to functions through an httpx client, for targets whose requests need more than a token.

OCI's are signed over their body. What :class:`nbfn.invoke.post.Post` saves is nothing beside its network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from nbfn.invoke.connection import Broken
from nbfn.invoke.post import Cancelled, NotSent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.invoke.post import Cancel

_CONNECT_TIMEOUT_S = 5.0


class Head:
    """What an answer begins with."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers


class Received:
    """The answer to a request, as :class:`nbfn.invoke.post.Exchange` has it."""

    __slots__ = ("_answer", "_cancel", "response")

    def __init__(self, answer: httpx.Response, cancel: Cancel | None) -> None:
        self.response = Head(answer.status_code, answer.headers)
        self._answer = answer
        self._cancel = cancel

    def read(self) -> bytearray:
        """The whole body. Raises Broken, Cancelled or TimeoutError: it did not come whole."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
        return body

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises Broken, Cancelled or TimeoutError: it broke off."""
        try:
            for piece in self._answer.iter_raw():
                _check(self._cancel)
                yield piece
        except httpx.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Broken(str(error)) from error
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back, or drop it if there is more to read."""
        self._answer.close()


class Through:
    """Sends requests through ``client``, which authenticates them and stays its owner's.

    A request that waits for its answer cannot be cancelled; it is before it is sent and while its body comes.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def send(
        self,
        url: str,
        headers: str,
        parts: Sequence[bytes | memoryview],
        *,
        timeout_s: float | None = None,
        cancel: Cancel | None = None,
    ) -> Received:
        """As :meth:`nbfn.invoke.post.Post.send`; ``timeout_s`` is for each step of it."""
        _check(cancel)
        request = self._client.build_request(
            "POST",
            url,
            content=b"".join(parts),  # a signature is over all of it
            headers=[_field(line) for line in headers.split("\r\n") if line],
            timeout=httpx.Timeout(timeout_s, connect=_CONNECT_TIMEOUT_S),
        )
        try:
            answer = self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(str(error) or f"no connection within {_CONNECT_TIMEOUT_S} s") from error
        except httpx.TimeoutException as error:
            raise TimeoutError(str(error)) from error
        except httpx.TransportError as error:
            raise Broken(str(error)) from error
        return Received(answer, cancel)

    def close(self) -> None:
        """Nothing: the client is not its own."""


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def _check(cancel: Cancel | None) -> None:
    if cancel is not None and cancel.asked:
        raise Cancelled

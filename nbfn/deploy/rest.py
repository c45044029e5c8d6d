"""Requests to a Fn server's control plane, with every way they can fail put in nbfn's words."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import httpx

from nbfn.deploy.terms import USUAL
from nbfn.errors import BadInput, Conflict, ExecutorLost, ExecutorNotRunning, NotFound, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbfn.deploy.terms import Terms

_PAGE = 100
_CALLS_PAGE = 1000

NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures of httpx after which the server cannot have seen the request."""


class Routes(Protocol):
    """Fn's control plane by its paths: :class:`Rest`, or something that shows another API so."""

    where: str

    def get(self, path: str, **params: str) -> dict[str, Any]: ...
    def post(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]: ...
    def put(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]: ...
    def delete(self, path: str, terms: Terms = USUAL) -> None: ...
    def items(self, path: str, **params: str) -> Iterator[dict[str, Any]]: ...


class Rest:
    """JSON over one :class:`httpx.Client`.

    Raises (each method):
        ExecutorNotRunning: nobody listens there; nothing was sent.
        ExecutorLost: the connection broke, or no answer came in time.
        NotFound, Conflict, TargetError: the server refused, in its own words.
        BadInput: there are terms, and no Fn server knows any.
    """

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self.where = str(client.base_url).rstrip("/")

    def get(self, path: str, **params: str) -> dict[str, Any]:
        return self._json(self._send("GET", path, params=params))

    def post(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]:
        check_terms(terms)
        return self._json(self._send("POST", path, json=dict(body)))

    def put(self, path: str, body: Mapping[str, Any], terms: Terms = USUAL) -> dict[str, Any]:
        check_terms(terms)
        return self._json(self._send("PUT", path, json=dict(body)))

    def delete(self, path: str, terms: Terms = USUAL) -> None:
        check_terms(terms)
        self._send("DELETE", path)

    def items(self, path: str, **params: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page."""
        query = {"per_page": str(_PAGE), **params}
        while True:
            page = self.get(path, **query)
            yield from page.get("items") or ()
            cursor = page.get("next_cursor")
            if not cursor:
                return
            query["cursor"] = cursor

    def calls(self, fn_id: str, limit: int) -> list[dict[str, Any]]:
        """The last ``limit`` calls of a function of nbfn's own executor; first those that wait or run."""
        pages = self.items(f"/nbfn/v1/fns/{fn_id}/calls", per_page=str(min(limit, _CALLS_PAGE)))
        # One that ended while pages were turned is on two of them, and is then what the later one says.
        return list({call["id"]: call for call in islice(pages, limit)}.values())

    def first(self, path: str, **params: str) -> dict[str, Any] | None:
        """The only item of a list that a name selects, or None."""
        return next(self.items(path, **params), None)

    def _send(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **kwargs)
        except NOTHING_SENT as error:
            raise ExecutorNotRunning(
                f"nothing answers at {self.where}: {error}",
                hint="`nbfn start` starts an executor here; `nbfn list contexts` tells which server is meant",
            ) from error
        except httpx.TimeoutException as error:
            raise ExecutorLost(f"{self.where} did not answer {method} {path} in time") from error
        except httpx.HTTPError as error:
            raise ExecutorLost(f"{self.where} went away during {method} {path}: {error}") from error
        if response.is_success:
            return response
        raise _refusal(response, f"{self.where} refused {method} {path}")

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        try:
            value = response.json()
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise TargetError(
                f"{self.where} answered {response.request.url.path} with something that is not Fn's JSON",
                hint="is this the address of a Fn server?",
                status=response.status_code,
            )
        return value


def check_terms(terms: Terms) -> None:
    """Return if they ask for nothing. Raises BadInput."""
    if terms:
        raise BadInput(
            "a Fn server has neither etags nor states to wait for: only OCI Functions has",
            hint="leave the terms out: it is done when the server has answered",
        )


def _refusal(response: httpx.Response, what: str) -> TargetError:
    try:
        message = str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = response.text.strip()[:200] or response.reason_phrase
    status = response.status_code
    kind = {404: NotFound, 409: Conflict, 412: Conflict}.get(status, TargetError)
    hint = "its bearer token is another one" if status == 401 else ""
    return kind(f"{what}: {message} ({status})", hint=hint, status=status)

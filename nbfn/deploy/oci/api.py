"""Requests to OCI Functions' management: signed, paged, repeated where OCI says so, waited for."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from nbfn.deploy.oci.refusals import read_failure, refusal, work_failure
from nbfn.deploy.oci.retry import Backoff, is_passing, may_repeat
from nbfn.deploy.rest import NOTHING_SENT
from nbfn.errors import TargetError, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbfn.deploy.oci.causes import Place

_PAGE = 100
_DONE = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "NEEDS_ATTENTION"})
# Where what a route is for is not what its method says.
_LISTS = {"applications": "ListApp", "functions": "ListFunctions", "workRequests": "ListWorkRequests"}
_ONE = {"applications": "App", "functions": "Function", "workRequests": "WorkRequest"}
_ACTIONS = {"search": "SearchLogs", "metrics/actions/summarizeMetricsData": "SummarizeMetrics"}
_VERBS = {"GET": "Get", "POST": "Create", "PUT": "Update", "DELETE": "Delete"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error."""

    document: Any = field(repr=False)
    """Parsed JSON; None if there was none."""
    etag: str
    work_request_id: str
    next_page: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long work on an accepted request may take, and how often it is looked at."""

    limit_s: float = 300.0
    first_s: float = 0.2
    cap_s: float = 5.0


class Api:
    """One version of an API over one client, which signs. ``base`` is the service's address, if that is not
    the client's base URL.

    Raises (each method):
        NotAuthenticated, NotFound, Conflict, Changed, RequestTooLarge, Throttled, LimitReached: refused.
        TargetUnavailable: no answer, or 5xx, after every attempt.
        TargetError: refused for another reason.
        CredentialsError: there is nothing to sign with.
    """

    def __init__(
        self,
        client: httpx.Client,
        version: str,
        place: Place,
        *,
        base: str = "",
        backoff: Backoff | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.version = version
        self.where = base.rstrip("/") or str(client.base_url).rstrip("/")
        self.place = place
        self._client = client
        self._backoff = backoff or Backoff()
        self._patience = patience or Patience()

    def get(self, path: str, **params: str) -> Answer:
        """One object, or one page."""
        return self._request("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any], **params: str) -> Answer:
        return self._request("POST", path, json=body, params=params)

    def put(self, path: str, body: Mapping[str, Any], etag: str = "") -> Answer:
        """Change what is at ``path``, if it is still what ``etag`` was given with."""
        return self._request("PUT", path, json=body, etag=etag)

    def delete(self, path: str, etag: str = "") -> Answer:
        return self._request("DELETE", path, etag=etag)

    def items(self, path: str, **params: str) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page (some lists are bare arrays, others in ``items``)."""
        query = {"limit": str(_PAGE), **params}
        while True:
            answer = self.get(path, **query)
            found = answer.document
            yield from (found.get("items") or ()) if isinstance(found, dict) else (found or ())
            if not answer.next_page:
                return
            query["page"] = answer.next_page

    def finish(self, answer: Answer, operation: str) -> None:
        """Wait until the work that ``answer`` began is done; at once if it began none.

        Raises:
            WorkFailed: it failed, was cancelled, or needs somebody's attention.
            TargetUnavailable: it takes too long.
        """
        work_id = answer.work_request_id
        if not work_id:
            return
        began, pause_s = time.monotonic(), self._patience.first_s
        while True:
            work = self.get(f"workRequests/{work_id}").document
            status = str(work.get("status"))
            if status in _DONE:
                break
            if time.monotonic() - began > self._patience.limit_s:
                raise TargetUnavailable(
                    f"{operation} is not done after {self._patience.limit_s:.0f} s (work request {work_id})",
                    hint="it goes on in OCI: look at the work request, and deploy again once it is done",
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, self._patience.cap_s)
        if status != "SUCCEEDED":
            errors = list(self.items(f"workRequests/{work_id}/errors"))
            raise work_failure(status, errors, operation, self.place, time.time())

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        etag: str = "",
    ) -> Answer:
        operation = operation_of(method, path)
        attempt = 0
        while True:
            attempt += 1
            response = self._send(method, path, params, json, etag, attempt, operation)
            if response is None:
                continue
            if response.is_success:
                return self._answer(response)
            failure = read_failure(response.status_code, response.headers, response.content, operation)
            delay_s = None
            if is_passing(failure.status, failure.code):
                delay_s = self._delay_s(attempt, response.headers.get("retry-after", ""))
            if delay_s is None:
                raise refusal(failure, self.where, self.place, time.time())
            time.sleep(delay_s)

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        json: Mapping[str, Any] | None,
        etag: str,
        attempt: int,
        operation: str,
    ) -> httpx.Response | None:
        """The answer; None if there was none and it is to be sent again."""
        headers = {"if-match": etag} if etag else {}
        try:
            return self._client.request(
                method, f"{self.where}/{self.version}/{path}", params=params, json=json, headers=headers
            )
        except httpx.TransportError as error:
            sent = not isinstance(error, NOTHING_SENT)
            delay_s = self._delay_s(attempt) if may_repeat(method, sent=sent) else None
            if delay_s is None:
                told = "did not answer" if sent else "cannot be reached for"
                raise TargetUnavailable(
                    f"{self.where} {told} {operation}: {error}",
                    hint="is the region right, and does this machine reach it (proxy, firewall)?"
                    if not sent
                    else "it may have been done: look before you repeat it",
                ) from error
            time.sleep(delay_s)
            return None

    def _delay_s(self, attempt: int, retry_after: str = "") -> float | None:
        asked = float(retry_after) if retry_after.isdecimal() else None
        return self._backoff.delay_s(attempt, random.random(), asked)  # noqa: S311 - spreads retries

    def _answer(self, response: httpx.Response) -> Answer:
        document = None
        if response.content:
            try:
                document = response.json()
            except ValueError:
                raise TargetError(
                    f"{self.where} answered with something that is not JSON",
                    hint="is this the address of OCI Functions?",
                    status=response.status_code,
                ) from None
        headers = response.headers
        return Answer(
            document,
            headers.get("etag", ""),
            headers.get("opc-work-request-id", ""),
            headers.get("opc-next-page", ""),
        )


def operation_of(method: str, path: str) -> str:
    """The name that policies have for a request."""
    kind, _, rest = path.partition("/")
    if path in _ACTIONS:
        return _ACTIONS[path]
    if not rest and method == "GET":
        return _LISTS.get(kind, f"List {kind}")
    return f"{_VERBS[method]}{_ONE.get(kind, kind)}"

"""Requests to OCI Functions' management: signed, paged, repeated where OCI says so, waited for."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from nbfn.deploy.oci.reach import is_lasting, unreachable
from nbfn.deploy.oci.refusals import read_failure, refusal, work_failure
from nbfn.deploy.oci.retry import Backoff, is_passing, may_repeat
from nbfn.deploy.rest import NOTHING_SENT
from nbfn.errors import NotFound, TargetError, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbfn.deploy.oci.causes import Place
    from nbfn.deploy.terms import Terms

_PAGE = 100
_DONE = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "NEEDS_ATTENTION"})
# Where what a route is for is not what its method says.
_LISTS = {"applications": "ListApp", "functions": "ListFunctions", "workRequests": "ListWorkRequests"}
_ONE = {
    "applications": "App",
    "functions": "Function",
    "workRequests": "WorkRequest",
    "pbfListings": "PbfListing",
}
_ACTIONS = {
    ("POST", "search"): "SearchLogs",
    ("POST", "metrics/actions/summarizeMetricsData"): "SummarizeMetrics",
    ("GET", "container/repositories"): "ListContainerRepositories",
    ("POST", "container/repositories"): "CreateContainerRepository",
    ("GET", "pbfListings"): "ListPbfListings",
    ("GET", "pbfListingVersions"): "ListPbfListingVersions",
}
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


_log = logging.getLogger(__name__)


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

    def ask(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> Answer:
        """Any request, which policies call ``operation``; one that is ``idempotent`` is sent again after a
        connection that broke, whatever its method."""
        return self._request(
            method,
            path,
            params=params,
            json=json,
            content=content,
            headers=headers,
            operation=operation,
            idempotent=idempotent,
        )

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

    def finish(self, answer: Answer, operation: str, within_s: float | None = None) -> None:
        """Wait until the work that ``answer`` began is done; at once if it began none. ``within_s``: for so
        long, instead of the usual.

        Raises:
            WorkFailed: it failed, was cancelled, or needs somebody's attention.
            TargetUnavailable: it takes too long.
        """
        work_id = answer.work_request_id
        if not work_id:
            return
        began, pause_s = time.monotonic(), self._patience.first_s
        limit_s = self._patience.limit_s if within_s is None else within_s
        while True:
            work = self.get(f"workRequests/{work_id}").document
            status = str(work.get("status"))
            if status in _DONE:
                break
            if time.monotonic() - began > limit_s:
                raise TargetUnavailable(
                    f"{operation} is not done after {limit_s:g} s (work request {work_id})",
                    hint="it goes on in OCI: look at the work request, and deploy again once it is done",
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, self._patience.cap_s)
        if status != "SUCCEEDED":
            errors = list(self.items(f"workRequests/{work_id}/errors"))
            raise work_failure(status, errors, operation, self.place, time.time())

    def await_state(self, path: str, terms: Terms) -> None:
        """Wait until what is at ``path`` is in the state that ``terms`` name; at once if they name none.

        Raises:
            TargetError: it failed, and comes to no other state.
            TargetUnavailable: it takes longer than they say.
        """
        began = time.monotonic()
        while terms.state:
            try:
                held = self.get(path).document
            except NotFound:
                if terms.state == "DELETED":
                    return
                raise
            state, name = str(held.get("lifecycleState")), held.get("displayName")
            if state == terms.state:
                return
            if state == "FAILED":
                raise TargetError(f"{name!r} has failed in OCI, and is not {terms.state}")
            left_s = terms.limit_s - (time.monotonic() - began)
            if left_s <= 0:
                raise TargetUnavailable(
                    f"{name!r} is {state}, not {terms.state}, after {terms.limit_s:g} s",
                    hint="what was asked for was done all the same; --max-wait-seconds waits longer",
                )
            time.sleep(min(terms.every_s, left_s))

    def _request(
        self,
        method: str,
        path: str,
        *,
        etag: str = "",
        operation: str = "",
        idempotent: bool = False,
        headers: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> Answer:
        operation = operation or operation_of(method, path)
        url = "/".join(part for part in (self.where, self.version, path) if part)
        told = {**(headers or {}), **({"if-match": etag} if etag else {})}
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._client.request(method, url, headers=told, **parts)
            except httpx.TransportError as error:
                self._wait_or_raise(error, method, attempt, operation, idempotent=idempotent)
                continue
            if response.is_success:
                return self._answer(response)
            failure = read_failure(response.status_code, response.headers, response.content, operation)
            delay_s = None
            if is_passing(failure.status, failure.code):
                delay_s = self._delay_s(attempt, response.headers.get("retry-after", ""))
            if delay_s is None:
                raise refusal(failure, self.where, self.place, time.time())
            self._wait(delay_s, attempt, operation, f"{failure.status} {failure.code}".strip())

    def _wait_or_raise(
        self, error: httpx.TransportError, method: str, attempt: int, operation: str, *, idempotent: bool
    ) -> None:
        """Return once the request may be sent again."""
        sent = not isinstance(error, NOTHING_SENT)
        repeats = not is_lasting(error) and (idempotent or may_repeat(method, sent=sent))
        delay_s = self._delay_s(attempt) if repeats else None
        if delay_s is None:
            raise unreachable(error, self.where, operation, self.place, sent=sent) from error
        self._wait(delay_s, attempt, operation, type(error).__name__)

    def _wait(self, delay_s: float, attempt: int, operation: str, why: str) -> None:
        """Until it is asked again; whoever waits for longer than a moment is told for what."""
        if attempt > 1:
            _log.warning("%s: %s from %s, asked again in %.1f s", operation, why, self.where, delay_s)
        time.sleep(delay_s)

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
    if (method, path) in _ACTIONS:
        return _ACTIONS[method, path]
    if not rest and method == "GET":
        return _LISTS.get(kind, f"List {kind}")
    return f"{_VERBS[method]}{_ONE.get(kind, kind)}"

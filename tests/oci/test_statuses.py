"""Each status that OCI may answer with: an error of its own, sent again or not as OCI says, and what was
there before is unharmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci.invoke import invoke
from nbfn.errors import (
    CallRefused,
    CallThrottled,
    CallTimeout,
    CallTooLarge,
    Changed,
    Conflict,
    InstanceFailed,
    LimitReached,
    NotAuthenticated,
    NotFound,
    RequestTooLarge,
    TargetError,
    TargetUnavailable,
    Throttled,
)
from tests.oci.functions import IMAGE, PRINT, SPEC

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.deploy.oci import OciTarget
    from nbfn.errors import NbfnError
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud

ATTEMPTS = 3

# Status, code, the error it is, and how often a request that gets it is sent.
CONTROL: list[tuple[int, str, type[NbfnError], int]] = [
    (400, "InvalidParameter", TargetError, 1),
    (400, "LimitExceeded", LimitReached, 1),
    (401, "NotAuthenticated", NotAuthenticated, 1),
    (403, "NotAuthorized", TargetError, 1),
    (404, "NotAuthorizedOrNotFound", NotFound, 1),
    (405, "MethodNotAllowed", TargetError, 1),
    (409, "Conflict", Conflict, 1),
    (409, "IncorrectState", Conflict, ATTEMPTS),
    (409, "LockConflict", Conflict, ATTEMPTS),
    (412, "NoEtagMatch", Changed, 1),
    (413, "PayloadTooLarge", RequestTooLarge, 1),
    (422, "UnprocessableEntity", TargetError, 1),
    (429, "TooManyRequests", Throttled, ATTEMPTS),
    (431, "", TargetError, 1),
    (500, "InternalServerError", TargetUnavailable, ATTEMPTS),
    (501, "MethodNotImplemented", TargetUnavailable, 1),
    (502, "BadGateway", TargetUnavailable, ATTEMPTS),
    (503, "ServiceUnavailable", TargetUnavailable, ATTEMPTS),
    (504, "GatewayTimeout", TargetUnavailable, ATTEMPTS),
]
CALLS: list[tuple[int, str, type[NbfnError]]] = [
    (400, "InvalidParameter", CallRefused),
    (401, "NotAuthenticated", NotAuthenticated),
    (404, "NotAuthorizedOrNotFound", NotFound),
    (409, "IncorrectState", CallRefused),
    (413, "FunctionInvokeRequestContentTooLarge", CallTooLarge),
    (429, "TooManyRequests", CallThrottled),
    (500, "InternalServerError", InstanceFailed),
    (502, "FunctionInvokeExecutionFailed", InstanceFailed),
    (503, "FunctionInvokeServiceUnavailable", CallRefused),
    (504, "FunctionInvokeTimeout", CallTimeout),
]

# What is asked for, by the name that policies have for it.
ASK: dict[str, Callable[[OciTarget, str, str], object]] = {
    "ListApp": lambda target, app, fn: target.list(),
    "CreateApp": lambda target, app, fn: target.create_application("other"),
    "UpdateApp": lambda target, app, fn: target.update_application(app, {"config": {"A": "1"}}),
    "DeleteApp": lambda target, app, fn: target.delete_application(app),
    "GetFunction": lambda target, app, fn: target.api.get(f"functions/{fn}"),
    "ListFunctions": lambda target, app, fn: target.list("app01"),
    "UpdateFunction": lambda target, app, fn: target.api.put(f"functions/{fn}", {"memoryInMBs": 512}),
    "DeleteFunction": lambda target, app, fn: target.api.delete(f"functions/{fn}"),
}


@pytest.mark.parametrize("operation", ASK)
@pytest.mark.parametrize(("status", "code", "kind", "times"), CONTROL)
def test_the_control_plane(
    operation: str,
    status: int,
    code: str,
    kind: type[NbfnError],
    times: int,
    target_of: MakeTarget,
    cloud: Cloud,
) -> None:
    target = target_of(attempts=ATTEMPTS)
    made = target.apply(SPEC, IMAGE, PRINT)
    before = {fn_id: dict(each.document) for fn_id, each in cloud.store.fns.items()}
    cloud.requests.clear()
    for _ in range(ATTEMPTS):
        cloud.fail(operation, status, code, "as planned")
    with pytest.raises(kind, match="as planned") as caught:
        ASK[operation](target, made.app_id, made.fn_id)
    assert type(caught.value) is kind
    assert caught.value.hint
    method, path = cloud.requests[-1].method, cloud.requests[-1].path
    assert sum((seen.method, seen.path) == (method, path) for seen in cloud.requests) == times
    assert {fn_id: each.document for fn_id, each in cloud.store.fns.items()} == before


@pytest.mark.parametrize(("status", "code", "kind"), CALLS)
def test_calls(status: int, code: str, kind: type[NbfnError], target_of: MakeTarget, cloud: Cloud) -> None:
    target = target_of()
    made = target.apply(SPEC, IMAGE, PRINT)
    cloud.requests.clear()
    cloud.fail("InvokeFunction", status, code, "as planned")
    with pytest.raises(kind, match="as planned") as caught:
        invoke(target.client, made.url, b"", explain=target.explain, deployment=made)
    assert type(caught.value) is kind
    assert len(cloud.requests) == 1, "a call is sent once"


def test_every_page_is_read(target_of: MakeTarget, cloud: Cloud) -> None:
    target = target_of()
    names = [f"app{number:03}" for number in range(105)]
    for name in names:
        cloud.store.create_app({"compartmentId": target.settings.compartment_id, "displayName": name,
                                "subnetIds": ["s"]})  # fmt: skip
    assert [each["displayName"] for each in target.applications()] == names
    pages = [seen.path for seen in cloud.requests]
    assert len(pages) == 3
    assert ["page=" in path for path in pages] == [False, True, True]
    cloud.fail("ListApp", 429, "TooManyRequests", retry_after="0")
    assert len(list(target.applications())) == len(names)

"""Calls that fail: each in its own way, sent once, with a next step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci.invoke import invoke
from nbfn.errors import (
    CallRefused,
    CallThrottled,
    CallTimeout,
    CallTooLarge,
    CredentialsError,
    ExecutorLost,
    InstanceFailed,
    NbfnError,
    NotAuthenticated,
    NotFound,
    TargetUnavailable,
)
from nbfn.spec import Deployment, Limits
from tests.oci.broken import hanging_up
from tests.oci.functions import IMAGE, PRINT, SPEC, call, captured, imaged

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.deploy.oci import OciTarget
    from nbfn.spec import Capture
    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud


@pytest.fixture
def deployed(target_of: MakeTarget, cloud: Cloud, state: Path) -> tuple[OciTarget, Deployment, Capture]:
    target, capture = target_of(), captured()
    made = target.apply(SPEC, imaged(cloud, state, capture), capture.fingerprint)
    return target, made, capture


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (401, "NotAuthenticated", NotAuthenticated, "API keys"),
        (404, "NotAuthorizedOrNotFound", NotFound, "use fn-invocation in compartment id"),
        (429, "TooManyRequests", CallThrottled, "total-concurrency-mb"),
        (502, "FunctionInvokeSubnetOutOfIPs", InstanceFailed, "larger subnet"),
        (503, "FunctionInvokeServiceUnavailable", CallRefused, "busy"),
        (504, "FunctionInvokeContainerInitTimeout", CallTimeout, "another architecture"),
    ],
)
def test_calls_that_fail_are_sent_once(
    deployed: tuple[OciTarget, Deployment, Capture],
    cloud: Cloud,
    status: int,
    code: str,
    kind: type[NbfnError],
    words: str,
) -> None:
    target, made, capture = deployed
    cloud.requests.clear()
    cloud.fail("InvokeFunction", status, code, "as planned")
    with pytest.raises(kind, match=r"greet\(\).*as planned") as caught:
        call(target, made, capture, "Ana")
    assert type(caught.value) is kind
    assert words in caught.value.hint
    assert len(cloud.requests) == 1


def test_413_arguments_that_do_not_fit(deployed: tuple[OciTarget, Deployment, Capture]) -> None:
    target, made, capture = deployed
    with pytest.raises(CallTooLarge) as caught:
        call(target, made, capture, "x" * (6 * 1024 * 1024))
    assert "6 MB" in caught.value.hint


def test_502_a_function_that_raised(deployed: tuple[OciTarget, Deployment, Capture]) -> None:
    target, made, _ = deployed
    with pytest.raises(InstanceFailed, match="function failed") as caught:
        invoke(target.client, made.url, b'"raise"', explain=target.explain, deployment=made)
    assert "its log has the traceback" in caught.value.hint


def test_502_a_function_that_died(deployed: tuple[OciTarget, Deployment, Capture]) -> None:
    target, made, capture = deployed
    with pytest.raises(InstanceFailed, match="error receiving function response") as caught:
        call(target, made, capture, "die")
    assert "memory" in caught.value.hint
    assert call(target, made, capture, "Ana").start == "cold"


def test_502_an_image_that_is_not_there(target_of: MakeTarget) -> None:
    target = target_of()
    made = target.apply(SPEC, IMAGE, PRINT)
    with pytest.raises(InstanceFailed, match="Failed to pull function image") as caught:
        call(target, made, captured(), "Ana")
    assert "Allow service FaaS to read repos in tenancy" in caught.value.hint


def test_504_a_function_that_takes_too_long(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    spec = replace(SPEC, limits=Limits(256, 1, 30))
    made = target.apply(spec, imaged(cloud, state, capture), capture.fingerprint)
    with pytest.raises(CallTimeout, match="Timed out") as caught:
        call(target, made, capture, "sleep")
    assert "its limit is 1 s" in caught.value.hint
    assert "detached" in caught.value.hint


def test_no_error_shows_a_secret(deployed: tuple[OciTarget, Deployment, Capture], cloud: Cloud) -> None:
    target, made, capture = deployed
    key_id = target.account.credentials.identity().key_id
    cloud.fail("InvokeFunction", 401, "NotAuthenticated", f'keyId ST$abc.def signature="{"QUJD" * 9}"')
    cloud.fail("ListApp", 400, "InvalidParameter", "Bearer abcdef")
    errors: list[NbfnError] = []
    for ask in (lambda: call(target, made, capture), target.list):
        with pytest.raises(NbfnError) as caught:
            ask()
        errors.append(caught.value)
    shown = " ".join(f"{error} {error!r} {vars(error)}" for error in errors)
    for secret in (key_id, "abc.def", "QUJD", "abcdef", made.key.hex()):
        assert secret not in shown
    assert isinstance(errors[0], NotAuthenticated | CredentialsError)


def test_a_call_whose_connection_breaks_is_not_sent_again(target_of: MakeTarget) -> None:
    with hanging_up() as (url, came):
        target = target_of(endpoint=url)
        deployment = Deployment(SPEC, IMAGE, "F", "A", f"{url}/20260325/functions/F/actions/invoke", PRINT)
        with pytest.raises(TargetUnavailable, match="broke during the call") as caught:
            invoke(target.client, deployment.url, b"", explain=target.explain, deployment=deployment)
        assert "may have run" in caught.value.hint
        with pytest.raises(ExecutorLost):
            call(target, deployment, captured(), "Ana")
        assert came == [b"POST"] * 2

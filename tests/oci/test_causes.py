"""What a person is told to do, by cause; and what is tried again."""

from __future__ import annotations

import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.deploy.oci import causes
from nbfn.deploy.oci.api import operation_of
from nbfn.deploy.oci.causes import Failure, Place, hint
from nbfn.deploy.oci.codes import BY_CODE
from nbfn.deploy.oci.retry import Backoff, is_passing, may_repeat
from tests.oci.people import COMPARTMENT, TENANCY

PLACE = Place(COMPARTMENT, "us-ashburn-1", "iad.ocir.io", "GENERIC_X86", 30, 256)
NOW = 1_795_500_000.0


def told(status: int, code: str, message: str = "", operation: str = "InvokeFunction", date: str = "") -> str:
    return hint(Failure(status, code, message, operation, "", date), PLACE, NOW)


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        ("InvokeFunction", f"Allow group YOUR-GROUP to use fn-invocation in compartment id {COMPARTMENT}"),
        ("ListApp", f"Allow group YOUR-GROUP to inspect fn-app in compartment id {COMPARTMENT}"),
        ("GetFunction", f"Allow group YOUR-GROUP to read fn-function in compartment id {COMPARTMENT}"),
        ("CreateApp", f"Allow group YOUR-GROUP to manage fn-app in compartment id {COMPARTMENT}"),
        ("UpdateFunction", f"Allow group YOUR-GROUP to manage fn-function in compartment id {COMPARTMENT}"),
    ],
)
def test_a_404_names_the_statement_to_add(operation: str, statement: str) -> None:
    assert statement in told(404, "NotAuthorizedOrNotFound", operation=operation)


def test_the_root_compartment_is_the_tenancy() -> None:
    assert causes.policy_statement("ListApp", Place(TENANCY)).endswith("fn-app in tenancy")


@pytest.mark.parametrize(("off_s", "word"), [(3600, "60 minutes ahead"), (-600, "10 minutes behind")])
def test_a_clock_that_is_wrong_is_told_from_a_wrong_key(off_s: float, word: str) -> None:
    date = email.utils.formatdate(NOW - off_s, usegmt=True)
    assert word in told(401, "NotAuthenticated", date=date)
    assert "API keys" in told(401, "NotAuthenticated", date=email.utils.formatdate(NOW, usegmt=True))
    assert "API keys" in told(401, "NotAuthenticated", date="nonsense")


@pytest.mark.parametrize(
    ("status", "code", "message", "words"),
    [
        (400, "InvalidParameter", "image architecture 'arm64' is incompatible", "--platform linux/amd64"),
        (502, "FunctionInvokeImageNotAvailable", "", "iad.ocir.io"),
        (502, "FunctionInvokeImageNotAvailable", "", "Allow service FaaS to read repos in tenancy"),
        (502, "FunctionInvokeSubnetNotAvailable", "", "Allow service FaaS to use virtual-network-family in"),
        (504, "FunctionInvokeContainerInitTimeout", "", "another architecture"),
        (504, "FunctionInvokeTimeout", "", "its limit is 30 s"),
        (504, "", "", "detached"),
        (413, "FunctionInvokeRequestContentTooLarge", "", "6 MB"),
        (429, "TooManyRequests", "", "total-concurrency-mb"),
        (400, "QuotaExceeded", "", "quota"),
        (400, "RelatedResourceNotAuthorizedOrNotFound", "", "virtual-network-family"),
        (404, "NotFound", "", "no such route"),
        (500, "InternalServerError", "", "try again"),
        (412, "NoEtagMatch", "", "read it again"),
    ],
)
def test_each_cause_has_its_next_step(status: int, code: str, message: str, words: str) -> None:
    assert words in told(status, code, message)


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_of_the_manual_has_a_hint(code: str) -> None:
    assert told(502, code)


def test_the_registrys_user_names() -> None:
    text = causes.registry_login("iad.ocir.io", "ns", "ana@example.org", "oracleidentitycloudservice")
    assert "docker login iad.ocir.io -u 'ns/oracleidentitycloudservice/ana@example.org'" in text
    assert "auth token" in text
    assert "-u 'ns/ana'" in causes.registry_login("iad.ocir.io", "ns", "ana")


def test_what_looks_secret_is_cut_from_messages() -> None:
    text = causes.without_secrets('bad ST$abc.def-_g and Bearer xyz== and signature="QUJD="')
    assert text == 'bad ST$… and Bearer … and signature="…"'


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "applications", "ListApp"),
        ("GET", "functions/x", "GetFunction"),
        ("PUT", "applications/x", "UpdateApp"),
        ("POST", "functions", "CreateFunction"),
        ("DELETE", "functions/x", "DeleteFunction"),
    ],
)
def test_operations_have_the_names_of_policies(method: str, path: str, operation: str) -> None:
    assert operation_of(method, path) == operation


@given(st.integers(1, 30), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_waits_grow_to_a_cap_and_end(attempt: int, chance: float, asked: float | None) -> None:
    backoff = Backoff()
    delay_s = backoff.delay_s(attempt, chance, asked)
    if attempt >= backoff.attempts:
        assert delay_s is None
    else:
        assert delay_s is not None
        assert backoff.base_s / 2 <= delay_s <= backoff.cap_s
        if asked is not None:
            assert delay_s >= min(asked, backoff.cap_s)


def test_what_is_tried_again() -> None:
    assert is_passing(429, "TooManyRequests")
    assert is_passing(409, "IncorrectState")
    assert not is_passing(409, "Conflict")
    assert is_passing(503, "")
    assert not is_passing(501, "")
    assert not is_passing(412, "NoEtagMatch")
    assert may_repeat("GET", sent=True)
    assert may_repeat("POST", sent=False)
    assert not may_repeat("POST", sent=True)

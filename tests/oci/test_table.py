"""Oracle's tables of errors, row by row: each has a next step, and each one of its own."""

from __future__ import annotations

import pytest

from nbfn.deploy.oci import causes
from nbfn.deploy.oci.causes import Failure, Place
from nbfn.deploy.oci.codes import CODES
from nbfn.verbs import explain
from tests.oci.people import COMPARTMENT

PLACE = Place(COMPARTMENT, "us-ashburn-1", "iad.ocir.io", "GENERIC_X86", 30, 256)

# Status, code, message as OCI words it, operation, and what the next step has to name.
ERRORS = [
    (400, "CannotParseRequest", "", "CreateFunction", "JSON"),
    (400, "InvalidParameter", "", "CreateFunction", "correct that"),
    (400, "MissingParameter", "", "CreateFunction", "not given"),
    (400, "LimitExceeded", "", "CreateFunction", "Governance > Limits"),
    (400, "QuotaExceeded", "", "CreateFunction", "a quota of this compartment"),
    (400, "RelatedResourceNotAuthorizedOrNotFound", "", "CreateFunction", "to use virtual-network-family in"),
    (401, "NotAuthenticated", "", "ListApp", "console's API keys"),
    (403, "NotAuthorized", "", "CreateApp", "you are known, and may not"),
    (403, "NotAllowed", "", "CreateApp", "a policy forbids it"),
    (
        404,
        "NotAuthorizedOrNotFound",
        "",
        "GetFunction",
        f"to read fn-function in compartment id {COMPARTMENT}",
    ),
    (404, "NotFound", "", "ListApp", "no such route"),
    (405, "MethodNotAllowed", "", "ListApp", "address of OCI Functions"),
    (409, "Conflict", "", "CreateFunction", "has that name"),
    (409, "IncorrectState", "", "UpdateFunction", "being changed just now"),
    (409, "LockConflict", "", "UpdateFunction", "somebody else is changing it"),
    (409, "NotAuthorizedOrResourceAlreadyExists", "", "CreateApp", "that name is taken"),
    (409, "InvalidatedRetryToken", "", "CreateApp", "begin anew"),
    (409, "ResourceLocked", "", "DeleteApp", "have the lock removed"),
    (412, "NoEtagMatch", "", "UpdateFunction", "read it again"),
    (413, "PayloadTooLarge", "", "CreateFunction", "oracle.bucket"),
    (422, "UnprocessableEntity", "", "CreateFunction", "contradict"),
    (429, "TooManyRequests", "", "InvokeFunction", "total-concurrency-mb"),
    (431, "", "", "ListApp", "headers are too large"),
    (500, "InternalServerError", "", "ListApp", "request id to support"),
    (501, "MethodNotImplemented", "", "ListApp", "in this region"),
    (503, "ServiceUnavailable", "", "ListApp", "try again in a while"),
]
CALLS = [
    (413, "FunctionInvokeRequestContentTooLarge", "Request content too large", "arguments hold 6 MB"),
    (444, "StatusConnectionClosedWithoutResponse", "Client request aborted", "did not wait for the answer"),
    (502, "FunctionInvokeExecutionFailed", "function failed", "its log has the traceback"),
    (502, "FunctionInvokeExecutionError", "error receiving function response", "too little memory"),
    (502, "FunctionInvokeInvalidResponse", "invalid function response", "a newer FDK"),
    (502, "FunctionInvokeResponseBodyTooLarge", "function response body too large", "answers hold 6 MB"),
    (502, "FunctionInvokeResponseHeaderTooLarge", "function response header too large", "answer's headers"),
    (502, "FunctionInvokeContainerInitFail", "Container failed to initialize", "a module is missing"),
    (502, "FunctionInvokeImageNotAvailable", "Failed to pull function image", "iad.ocir.io"),
    (502, "FunctionInvokeSyslogUnavailable", "Syslog endpoint unavailable", "syslog_url"),
    (502, "FunctionInvokeSubnetOutOfIPs", "subnet ocid1.subnet.x is out of IPs", "larger subnet"),
    (502, "FunctionInvokeSubnetNotAvailable", "subnet does not exist", "use virtual-network-family in"),
    (502, "FunctionInvokeSubnetConfigError", "Customer subnet DNS resolver error", "DNS resolver"),
    (502, "FunctionInvokeSecurityAttributeNotAvailable", "no access", "security attributes"),
    (502, "FunctionInvokeTooManyMatchingDGs", "too many Dynamic Groups", "15 minutes"),
    (502, "", "The combined uncompressed size of all Function images in an application", "two applications"),
    (503, "FunctionInvokeServiceUnavailable", "Timed out - server too busy", "OCI is busy"),
    (504, "FunctionInvokeTimeout", "Timed out", "its limit is 30 s"),
    (504, "FunctionInvokeContainerInitTimeout", "Container initialization timed out", "more memory="),
    (504, "FunctionInvokeImagePullTimeout", "Image pull timed out", "smaller one"),
]
DEPLOYMENTS = [
    ("Function's image architecture 'x86' is incompatible with the application's shape", "an index of both"),
    ("Invalid or unsupported image manifest. Unable to get architecture from the OCIR Manifest/Headers",
     "image's manifest"),
    ("Fn: Missing subnets annotation", "oracle.com/oci/subnetIds"),
]  # fmt: skip
ROWS = [
    *ERRORS,
    *((status, code, message, "InvokeFunction", words) for status, code, message, words in CALLS),
    *((400, "InvalidParameter", message, "CreateFunction", words) for message, words in DEPLOYMENTS),
]


def told(status: int, code: str, message: str, operation: str) -> str:
    return causes.hint(Failure(status, code, message, operation), PLACE, 0.0)


@pytest.mark.parametrize(("status", "code", "message", "operation", "words"), ROWS)
def test_each_row_names_its_next_step(
    status: int, code: str, message: str, operation: str, words: str
) -> None:
    assert words in told(status, code, message, operation)


def test_no_two_rows_are_told_the_same() -> None:
    hints = [told(*row[:4]) for row in ROWS]
    assert len(set(hints)) == len(hints)


def test_the_table_is_whole() -> None:
    assert {code for _, code, *_ in ROWS if code} == set(CODES)
    assert {code: status for status, code, *_ in ROWS if code and code != "InvalidParameter"} == {
        code: status for code, status in CODES.items() if code != "InvalidParameter"
    }


@pytest.mark.parametrize(("message", "words"), DEPLOYMENTS)
def test_what_has_no_code_is_explained_by_its_words(message: str, words: str) -> None:
    assert words in explain(message)


# -- what people ask for most ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cause", ["is the tag in the registry", "same region", "architecture", "read repos", "internet gateway",
              "service gateway", "port 443", "network security groups"],
)  # fmt: skip
def test_an_image_that_is_not_pulled_has_every_cause(cause: str) -> None:
    assert cause in explain("FunctionInvokeImageNotAvailable")


@pytest.mark.parametrize(
    "cause", ["crashed while it was imported", "module is missing", "memory", "architecture"]
)
@pytest.mark.parametrize("code", ["FunctionInvokeContainerInitFail", "FunctionInvokeContainerInitTimeout"])
def test_a_container_that_does_not_start_has_every_cause(code: str, cause: str) -> None:
    assert cause in explain(code)


def test_what_takes_longer_than_a_call_may() -> None:
    assert "detached, which may take 3600 s" in explain("FunctionInvokeTimeout")
    assert "queue, stream or topic" in explain("FunctionInvokeTimeout")

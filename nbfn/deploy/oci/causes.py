"""Why OCI refused, and what to do about it: from status, code and message to a next step. No I/O."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass

_SKEW_MAX_S = 300
_GROUP = "YOUR-GROUP"


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer of OCI's that is an error."""

    status: int
    code: str
    message: str
    operation: str
    """As policies name it: ``CreateFunction``, ``InvokeFunction``."""
    request_id: str = ""
    date: str = ""
    """The server's clock, from the ``Date`` header."""


@dataclass(frozen=True, slots=True)
class Place:
    """What is known of whom was asked, for statements and addresses that can be copied."""

    compartment_id: str = ""
    region: str = ""
    registry: str = ""
    """Host of the region's container registry."""
    shape: str = ""
    timeout_s: int = 0
    memory_mb: int = 0
    functions_url: str = ""
    """The region's own address of OCI Functions."""
    bucket: str = ""
    """For large archives."""
    context: str = ""
    """Name of the context that it is of, if it is of one."""


# Verb and resource that each operation needs (Oracle's policy reference for Functions).
_NEEDS = {
    "ListApp": ("inspect", "fn-app"),
    "GetApp": ("read", "fn-app"),
    "CreateApp": ("manage", "fn-app"),
    "UpdateApp": ("manage", "fn-app"),
    "DeleteApp": ("manage", "fn-app"),
    "ListFunctions": ("inspect", "fn-function"),
    "GetFunction": ("read", "fn-function"),
    "CreateFunction": ("manage", "fn-function"),
    "UpdateFunction": ("manage", "fn-function"),
    "DeleteFunction": ("manage", "fn-function"),
    "InvokeFunction": ("use", "fn-invocation"),
    "SearchLogs": ("read", "log-content"),
    "SummarizeMetrics": ("read", "metrics"),
    "GetNamespace": ("read", "objectstorage-namespaces"),
    "HeadBucket": ("read", "buckets"),
    "CreateBucket": ("manage", "buckets"),
    "CreateMultipartUpload": ("manage", "objects"),
    "UploadPart": ("manage", "objects"),
    "CommitMultipartUpload": ("manage", "objects"),
    "DeleteObject": ("manage", "objects"),
    "ListContainerRepositories": ("inspect", "repos"),
    "CreateContainerRepository": ("manage", "repos"),
}
# What is asked of the whole tenancy, whatever the compartment.
_TENANCY_WIDE = frozenset({"objectstorage-namespaces"})

_PULL_STATEMENT = "Allow service FaaS to read repos in tenancy"
_NETWORK_STATEMENT = "Allow service FaaS to use virtual-network-family in compartment"
_FDK = (
    "the code crashed while it was imported, a module is missing, memory was too small, or the image is for "
    "another architecture: call it on the local executor with the same memory, and read its log"
)
_REQUEST = "the message names what cannot be: correct it, or say it in the way of another API version"
CODES = {
    "CannotParseRequest": 400,
    "InvalidParameter": 400,
    "MissingParameter": 400,
    "LimitExceeded": 400,
    "QuotaExceeded": 400,
    "RelatedResourceNotAuthorizedOrNotFound": 400,
    "NotAuthenticated": 401,
    "NotAuthorized": 403,
    "NotAllowed": 403,
    "NotAuthorizedOrNotFound": 404,
    "NotFound": 404,
    "MethodNotAllowed": 405,
    "Conflict": 409,
    "IncorrectState": 409,
    "NotAuthorizedOrResourceAlreadyExists": 409,
    "InvalidatedRetryToken": 409,
    "ResourceLocked": 409,
    "NoEtagMatch": 412,
    "PayloadTooLarge": 413,
    "UnprocessableEntity": 422,
    "TooManyRequests": 429,
    "StatusConnectionClosedWithoutResponse": 444,
    "InternalServerError": 500,
    "MethodNotImplemented": 501,
    "ServiceUnavailable": 503,
    "FunctionInvokeRequestContentTooLarge": 413,
    "FunctionInvokeExecutionFailed": 502,
    "FunctionInvokeExecutionError": 502,
    "FunctionInvokeInvalidResponse": 502,
    "FunctionInvokeResponseBodyTooLarge": 502,
    "FunctionInvokeResponseHeaderTooLarge": 502,
    "FunctionInvokeContainerInitFail": 502,
    "FunctionInvokeImageNotAvailable": 502,
    "FunctionInvokeSyslogUnavailable": 502,
    "FunctionInvokeSubnetOutOfIPs": 502,
    "FunctionInvokeSubnetNotAvailable": 502,
    "FunctionInvokeSubnetConfigError": 502,
    "FunctionInvokeSecurityAttributeNotAvailable": 502,
    "FunctionInvokeTooManyMatchingDGs": 502,
    "FunctionInvokeServiceUnavailable": 503,
    "FunctionInvokeTimeout": 504,
    "FunctionInvokeContainerInitTimeout": 504,
    "FunctionInvokeImagePullTimeout": 504,
}
"""Every error code that Oracle's manuals have for Functions, with its HTTP status."""

BY_CODE = {
    "FunctionInvokeExecutionFailed": "the function raised: its log has the traceback",
    "FunctionInvokeExecutionError": "it died during the call: too little memory is the usual cause",
    "FunctionInvokeInvalidResponse": "what it answered is not HTTP as functions speak it: a newer FDK?",
    "FunctionInvokeResponseBodyTooLarge": "answers hold 6 MB: put the result into a bucket, return its name",
    "FunctionInvokeResponseHeaderTooLarge": "the answer's headers are too large: print less, set fewer",
    "FunctionInvokeContainerInitFail": _FDK,
    "FunctionInvokeContainerInitTimeout": _FDK,
    "FunctionInvokeSyslogUnavailable": "the application's syslog_url cannot be reached from its subnets",
    "FunctionInvokeSubnetOutOfIPs": "each subnet needs about 3 addresses and one per 14 GB that run at once: "
    "use a larger subnet",
    "FunctionInvokeSubnetConfigError": "the subnet's DNS resolver is wrong: use the VCN's own",
    "FunctionInvokeSecurityAttributeNotAvailable": "the application names security attributes that are "
    "not there, or that Functions may not read",
    "FunctionInvokeTooManyMatchingDGs": "narrow the matching rules of dynamic groups, so that fewer match it",
    "FunctionInvokeServiceUnavailable": "OCI is busy: call again in a while, or provision concurrency",
    "FunctionInvokeRequestContentTooLarge": "arguments hold 6 MB: put them into a bucket, send their name",
    "TooManyRequests": "call less at once, or ask for a higher total-concurrency-mb limit of the tenancy",
    "LimitExceeded": "remove what is not used, or ask for a higher service limit (Governance > Limits)",
    "QuotaExceeded": "a quota of this compartment is used up: an administrator can raise it",
    "NoEtagMatch": "somebody else changed it meanwhile: read it again, and repeat the change",
    "IncorrectState": "it is being changed just now: wait, and repeat",
    "NotAuthorizedOrResourceAlreadyExists": "that name is taken, or you may not see what has it",
    "CannotParseRequest": _REQUEST,
    "InvalidParameter": _REQUEST,
    "MissingParameter": _REQUEST,
    "UnprocessableEntity": _REQUEST,
    "NotAllowed": "a policy forbids it, or this kind of tenancy has it not: ask an administrator",
    "NotAuthorized": "you are known, and may not do this: ask an administrator for the policy statement",
    "Conflict": "something else has that name, or still needs what should go",
    "InvalidatedRetryToken": "the thing was deleted since the first try: begin anew",
    "ResourceLocked": "somebody has locked it: have the lock removed first",
    "MethodNotImplemented": "OCI knows this request and cannot do it (yet) in this region",
    "StatusConnectionClosedWithoutResponse": "whoever called did not wait for the answer: wait longer "
    "(a call may take 300 s and a cold start on top), or call it detached",
    "MethodNotAllowed": "this endpoint does not know that request: is it the address of OCI Functions?",
}


def code_hint(code: str, place: Place | None = None) -> str:
    """What to do about an error that OCI calls ``code``; empty if it has none of that name."""
    status = CODES.get(code)
    if status is None:
        return ""
    operation = "InvokeFunction" if code.startswith("FunctionInvoke") else ""
    return hint(Failure(status, code, "", operation), place or Place(), 0.0)


def hint(failure: Failure, place: Place, now: float) -> str:
    """What to do about ``failure``; empty if that is not known. ``now`` is this machine's clock (epoch)."""
    if failure.status == 401:
        return clock_hint(failure.date, now) or (
            "the key is not (any more) one of this user's, or tenancy or user belong to another: "
            "compare them with the console's API keys; of a session, `oci session refresh`"
        )
    if "architecture" in failure.message.lower():
        return architecture_hint(place.shape)
    if "combined uncompressed size" in failure.message.lower():
        return "an application's images are too large together: build smaller ones, or use two applications"
    if failure.code == "FunctionInvokeImageNotAvailable":
        return image_hint(place)
    if failure.code == "FunctionInvokeImagePullTimeout":
        return "the image is large or its network slow: build a smaller one, or use a service gateway"
    if failure.code == "FunctionInvokeSubnetNotAvailable":
        return f'was the subnet deleted? else an administrator adds: "{_NETWORK_STATEMENT} {_where(place)}"'
    if failure.code == "FunctionInvokeTimeout" or (failure.status == 504 and not failure.code):
        return _timeout_hint(place)
    if failure.code == "RelatedResourceNotAuthorizedOrNotFound":
        return _related_hint(place)
    if failure.status == 404 and failure.code != "NotFound":
        return policy_hint(failure.operation, place)
    if failure.code == "NotFound":
        return "there is no such route: is the endpoint that of OCI Functions, in a region that has it?"
    if failure.status == 413 and failure.operation != "InvokeFunction":
        return (
            "an archive that is sent directly holds 25 MB: leave packages out, deploy an image, or let it go "
            "by way of a bucket (`fn update context oracle.bucket NAME`), which takes 250 MB"
        )
    return BY_CODE.get(failure.code, "") or _by_status(failure.status)


def policy_hint(operation: str, place: Place) -> str:
    """The statement without which ``operation`` is answered with 404."""
    return (
        "it is not there, or you may not see it: OCI says the same of both. Right id and region"
        f"{f' ({place.region})' if place.region else ''}? Else an administrator adds the policy\n"
        f"    {policy_statement(operation, place)}"
    )


def policy_statement(operation: str, place: Place) -> str:
    """The policy statement that allows ``operation``, ready to be pasted once the group is filled in."""
    verb, resource = _NEEDS.get(operation, ("manage", "functions-family"))
    scope = "tenancy" if resource in _TENANCY_WIDE else _scope(place)
    return f"Allow group {_GROUP} to {verb} {resource} in {scope}"


def clock_hint(date: str, now: float) -> str:
    """What to do if this machine's clock is too far from the server's; empty if it is not."""
    try:
        told = email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return ""
    off_s = now - told
    if abs(off_s) < _SKEW_MAX_S - 10:
        return ""
    minutes = round(abs(off_s) / 60)
    return (
        f"this machine's clock is {minutes} minutes {'ahead' if off_s > 0 else 'behind'}, and OCI accepts 5: "
        "set it (timedatectl set-ntp true; on WSL: hwclock -s)"
    )


def architecture_hint(shape: str) -> str:
    """What to do about an image for another processor than the application's."""
    has = f"the application's shape is {shape}; " if shape else ""
    return (
        f"{has}GENERIC_X86 takes amd64 images, GENERIC_ARM arm64, GENERIC_X86_ARM an index of both. "
        "A Mac with Apple's chip builds arm64 unless told: docker build --platform linux/amd64; "
        "an application's shape cannot be changed, so else make another one"
    )


def image_hint(place: Place) -> str:
    """What to look at, in this order, when OCI cannot pull a function's image."""
    registry = place.registry or "KEY.ocir.io"
    return (
        f"look, in this order: is the tag in the registry of the same region ({registry})? does it fit the "
        f'application\'s architecture? may Functions read it ("{_PULL_STATEMENT}")? does the subnet reach it '
        "(public: internet gateway; private: service gateway for All Services), with egress to port 443 in "
        "its security list and network security groups?"
    )


def registry_login(registry: str, namespace: str, user: str, domain: str = "") -> str:
    """How to log in to OCI's registry, whose user names have a form of their own."""
    name = "/".join(part for part in (namespace, domain, user) if part)
    return (
        f"docker login {registry} -u '{name}', and as password an auth token (made in the console: User "
        "settings > Auth tokens, shown once), never the console's password; users of an identity domain are "
        f"{namespace}/DOMAIN/USER, federated ones {namespace}/oracleidentitycloudservice/USER"
    )


def _related_hint(place: Place) -> str:
    return (
        "something that it names (subnet, network security group, image, archive, application) is not there "
        f'or may not be used. For subnets: "Allow group {_GROUP} to use virtual-network-family in '
        f'{_scope(place)}"; for images: "Allow group {_GROUP} to read repos in tenancy" and '
        f'"{_PULL_STATEMENT}"; for an archive in a bucket: "{_archive_statement(place)}"'
    )


def _archive_statement(place: Place) -> str:
    """What lets applications read their functions' archives."""
    compartment = place.compartment_id or "YOUR-COMPARTMENT-ID"
    return (
        f"Allow any-user to read objects in {_scope(place)} where all {{request.principal.type='fnapp', "
        f"request.principal.compartment.id='{compartment}', target.bucket.name='{place.bucket or 'BUCKET'}'}}"
    )


def _timeout_hint(place: Place) -> str:
    has = f"its limit is {place.timeout_s} s: " if place.timeout_s else ""
    return (
        f"{has}deploy it with a larger timeout= (at most 300), or call it detached, which may take 3600 s "
        "(its result then goes to a queue, stream or topic)"
    )


def _by_status(status: int) -> str:
    if status == 429:
        return BY_CODE["TooManyRequests"]
    if status == 413:
        return BY_CODE["FunctionInvokeRequestContentTooLarge"]
    if status == 412:
        return BY_CODE["NoEtagMatch"]
    if status >= 500:
        return "OCI could not do it just now: try again, and give the request id to support if it stays so"
    return ""


def _scope(place: Place) -> str:
    if place.compartment_id.startswith("ocid1.tenancy."):
        return "tenancy"
    return (
        f"compartment id {place.compartment_id}" if place.compartment_id else "compartment YOUR-COMPARTMENT"
    )


def _where(place: Place) -> str:
    return _scope(place).removeprefix("compartment ")


def without_secrets(text: str) -> str:
    """``text`` without what looks like a signature or a token."""
    return re.sub(r'(ST\$|Bearer |signature=")[A-Za-z0-9._~+/=-]+', r"\1…", text)

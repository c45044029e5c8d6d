"""Why OCI refused, and what to do about it: from status, code and message to a next step. No I/O."""

from __future__ import annotations

import difflib
import email.utils
import re
from dataclasses import dataclass

from nbfn.deploy.oci.codes import BY_CODE, BY_MESSAGE, BY_WORDS, CODES

_SKEW_MAX_S = 300
_GROUP = "YOUR-GROUP"
_NEAR = 5


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


def code_hint(text: str, place: Place | None = None) -> str:
    """What to do about an error that OCI calls ``text``, or of which it says that; empty if it is unknown.

    Case does not matter, and what stands around the code or the words may be given with them.
    """
    where = place or Place()
    code = _code(text)
    by_message = message_hint(text, where)
    if not code or (by_message and text.strip().lower() != code.lower()):
        return by_message
    operation = "InvokeFunction" if code.startswith("FunctionInvoke") else ""
    return hint(Failure(CODES[code], code, "", operation), where, 0.0)


def near_codes(text: str) -> list[str]:
    """Codes that may be meant by ``text``: a few at most."""
    known = {code.lower(): code for code in CODES}
    said = text.strip().lower()
    within = [code for lower, code in known.items() if said and said in lower]
    close = difflib.get_close_matches(said, known, n=_NEAR)
    return within if 0 < len(within) <= _NEAR else [known[each] for each in close]


def _code(text: str) -> str:
    """The code that ``text`` is, has in it, or has the words of; empty if there is none."""
    said = text.strip().lower()
    known = {code.lower(): code for code in CODES}
    if found := known.get(said):
        return found
    if inside := [known[word] for word in re.findall(r"[a-z]+", said) if word in known]:
        return max(inside, key=len)
    return next((code for words, code in BY_WORDS.items() if words in said), "")


def hint(failure: Failure, place: Place, now: float) -> str:
    """What to do about ``failure``; empty if that is not known. ``now`` is this machine's clock (epoch)."""
    if failure.status == 401:
        return clock_hint(failure.date, now) or (
            "the key is not (any more) one of this user's, or tenancy or user belong to another: "
            "compare them with the console's API keys; of a session, `oci session refresh`"
        )
    if by_message := message_hint(failure.message, place):
        return by_message
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
            "more was sent than OCI takes. An archive that is sent directly holds 25 MB: leave packages out, "
            "deploy an image, or let it go "
            "by way of a bucket (`nbfn update context oracle.bucket NAME`), which takes 250 MB"
        )
    if failure.status == 429 and failure.operation not in ("", "InvokeFunction"):
        return "OCI takes so many requests of a tenancy in a while: wait a minute, then go on more slowly"
    return BY_CODE.get(failure.code, "") or _by_status(failure.status)


def message_hint(message: str, place: Place) -> str:
    """What to do about what has no code of its own; empty if nothing is known of such words."""
    said = message.lower()
    if found := next((told for part, told in BY_MESSAGE.items() if part in said), ""):
        return found
    if "anonymous users are only allowed" in said:
        return f"nobody is logged in: {registry_login(place.registry or 'KEY.ocir.io', 'NAMESPACE', 'USER')}"
    return architecture_hint(place.shape) if "image architecture" in said else ""


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


def registry_login(
    registry: str, namespace: str, user: str, domain: str = "", *, program: str = "docker"
) -> str:
    """How to log in to OCI's registry, whose user names have a form of their own, by ``program``."""
    name = "/".join(part for part in (namespace, domain, user) if part)
    return (
        f"{program} login {registry} -u '{name}', and as password an auth token (made in the console: User "
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
    if status == 431:
        return "the request's headers are too large: a long token, or a proxy that adds its own"
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

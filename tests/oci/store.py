"""What the test server holds: applications, functions and work requests, in the newer version's words."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_MB = (128, 256, 512, 1024, 2048, 3072)
_DIRECT_MAX_BYTES = 25 * 1024 * 1024
_CONFIG_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def not_found(what: str) -> Problem:
    return Problem(
        404, "NotAuthorizedOrNotFound", f"Authorization failed or requested resource not found: {what}"
    )


@dataclass
class Work:
    """A work request. It gets on a step each time that it is looked at."""

    id: str
    operation: str
    compartment_id: str
    resource: str
    error: tuple[str, str] | None = None
    steps: int = 0

    @property
    def status(self) -> str:
        if self.steps < 2:
            return ("ACCEPTED", "IN_PROGRESS")[self.steps]
        return "FAILED" if self.error else "SUCCEEDED"

    @property
    def document(self) -> dict[str, Any]:
        kind, _, entity = self.operation.partition("_")
        done = "FAILED" if self.error else f"{kind}D"
        return {
            "id": self.id,
            "operationType": self.operation,
            "status": self.status,
            "compartmentId": self.compartment_id,
            "resources": [
                {"entityType": entity.lower(), "actionType": done if self.steps >= 2 else "IN_PROGRESS",
                 "identifier": self.resource}
            ],
            "percentComplete": float(min(self.steps, 2) * 50),
            "timeAccepted": now(),
        }  # fmt: skip


@dataclass
class Thing:
    """An application or a function."""

    document: dict[str, Any]
    version: int = 1
    work: Work | None = None
    archive: bytes = b""
    states: list[str] = field(default_factory=list)
    """What it is seen in, look by look, before it is ACTIVE."""

    @property
    def etag(self) -> str:
        return hashlib.sha256(f"{self.document['id']}{self.version}".encode()).hexdigest()[:16]

    def seen(self) -> dict[str, Any]:
        creating = self.work is not None and self.work.status in ("ACCEPTED", "IN_PROGRESS")
        state = "CREATING" if creating else self.states.pop(0) if self.states else "ACTIVE"
        return {**self.document, "lifecycleState": state}


@dataclass
class Store:
    """All of it, behind one lock."""

    endpoint: str
    apps: dict[str, Thing] = field(default_factory=dict)
    fns: dict[str, Thing] = field(default_factory=dict)
    works: dict[str, Work] = field(default_factory=dict)
    architectures: dict[str, str] = field(default_factory=dict)
    """Of images, by digest, where it is not x86."""
    read_object: Callable[[dict[str, str]], bytes] = lambda _: b""
    """What an archive in Object Storage holds. Raises Problem."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def ocid(self, kind: str) -> str:
        mark = hashlib.sha256(str(next(self._numbers)).encode()).hexdigest()[:56]
        return f"ocid1.{kind}.oc1.iad.aaaa{mark.translate(str.maketrans('0189', 'abcd'))}"

    def work(self, operation: str, thing: Thing, error: tuple[str, str] | None = None) -> Work:
        document = thing.document
        made = Work(
            self.ocid("functionsworkrequest"), operation, document["compartmentId"], document["id"], error
        )
        self.works[made.id] = made
        return made

    def create_app(self, body: dict[str, Any]) -> Thing:
        need(body, "compartmentId", "displayName", "subnetIds")
        check_config(body.get("config") or {})
        if any(
            (a.document["compartmentId"], a.document["displayName"])
            == (body["compartmentId"], body["displayName"])
            for a in self.apps.values()
        ):
            raise Problem(
                409, "NotAuthorizedOrResourceAlreadyExists", f"Application {body['displayName']} exists"
            )
        document = {
            "shape": "GENERIC_X86", "config": {}, "freeformTags": {}, "definedTags": {},
            **body, "id": self.ocid("fnapp"), "timeCreated": now(), "timeUpdated": now(),
        }  # fmt: skip
        self.apps[document["id"]] = made = Thing(document)
        return made

    def create_fn(self, body: dict[str, Any]) -> Thing:
        need(body, "applicationId", "displayName", "memoryInMBs", "sourceDetails")
        app = self.apps.get(body["applicationId"])
        if app is None:
            raise Problem(404, "NotAuthorizedOrNotFound", "Application not found")
        self._check(body, app)
        if any(
            f.document["applicationId"] == body["applicationId"]
            and f.document["displayName"] == body["displayName"]
            for f in self.fns.values()
        ):
            raise Problem(
                409, "Conflict", f"Function {body['displayName']} already exists in the application"
            )
        document = {
            "timeoutInSeconds": 30, "config": {}, "freeformTags": {}, "definedTags": {},
            "traceConfig": {"isEnabled": False}, "provisionedConcurrencyConfig": {"strategy": "NONE"},
            **body, "id": self.ocid("fnfunc"), "compartmentId": app.document["compartmentId"],
            "shape": app.document["shape"], "invokeEndpoint": self.endpoint,
            "timeCreated": now(), "timeUpdated": now(),
        }  # fmt: skip
        made = Thing(document)
        self._take_archive(made)
        self.fns[document["id"]] = made
        return made

    def change(self, thing: Thing, body: dict[str, Any], if_match: str) -> None:
        """Replace the fields that are named, whole maps included."""
        if if_match and if_match != thing.etag:
            raise Problem(412, "NoEtagMatch", "The if-match header does not match the resource's etag")
        details = body.get("sourceDetails")
        if details is not None:
            held = thing.document["sourceDetails"]
            if details["sourceType"] != held["sourceType"]:
                raise Problem(400, "InvalidParameter", "sourceType cannot be changed")
            body = {**body, "sourceDetails": {**held, **details}}
        if thing.document["id"] in self.fns:
            self._check(body, self.apps[thing.document["applicationId"]])
        else:
            check_config(body.get("config") or {})
            for name in ("shape", "subnetIds", "compartmentId", "displayName"):
                if name in body:
                    raise Problem(400, "InvalidParameter", f"{name} cannot be changed")
        changed = Thing({**thing.document, **body, "timeUpdated": now()}, archive=thing.archive)
        self._take_archive(changed)
        thing.document, thing.archive = changed.document, changed.archive
        thing.version += 1

    def _take_archive(self, fn: Thing) -> None:
        """The zip is kept aside; of it an answer shows the digest alone."""
        details = fn.document.get("sourceDetails") or {}
        held = details.get("archiveSourceDetails") or {}
        if held.get("archiveSourceType") == "OBJECT_STORAGE_ARCHIVE":
            need(held, "namespace", "bucketName", "objectName")
            fn.archive = self.read_object(held)
        elif "archiveFile" in held:
            fn.archive = base64.b64decode(held["archiveFile"])
            if len(fn.archive) > _DIRECT_MAX_BYTES:
                raise Problem(413, "PayloadTooLarge", "archiveFile exceeds 25 MB")
        else:
            return
        digest = base64.b64encode(hashlib.sha256(fn.archive).digest()).decode()
        kept = {name: value for name, value in held.items() if name != "archiveFile"}
        fn.document["sourceDetails"] = {**details, "archiveSourceDetails": kept, "sourceCodeSha256": digest}

    def remove_app(self, app_id: str) -> None:
        if any(fn.document["applicationId"] == app_id for fn in self.fns.values()):
            raise Problem(409, "Conflict", "Application still has functions")
        del self.apps[app_id]

    def _check(self, body: dict[str, Any], app: Thing) -> None:
        memory, timeout = body.get("memoryInMBs", 128), body.get("timeoutInSeconds", 30)
        if memory not in _MEMORY_MB:
            raise Problem(400, "InvalidParameter", f"memoryInMBs {memory} is not supported")
        if timeout not in range(1, 301):
            raise Problem(400, "InvalidParameter", f"timeoutInSeconds {timeout} is out of range")
        check_config({**app.document["config"], **(body.get("config") or {})})
        digest = (body.get("sourceDetails") or {}).get("imageDigest", "")
        shape, built = app.document["shape"], self.architectures.get(digest, "x86")
        if built.upper() not in shape:
            raise Problem(
                400,
                "InvalidParameter",
                f"Function's image architecture '{built}' is incompatible with the application's "
                f"shape type '{shape}'",
            )


def check_config(config: dict[str, str]) -> None:
    for key in config:
        if not _CONFIG_KEY.fullmatch(key):
            raise Problem(400, "InvalidParameter", f"config key {key!r} is invalid")
    if sum(len(k.encode()) + len(v.encode()) for k, v in config.items()) > 4096:
        raise Problem(400, "InvalidParameter", "config exceeds 4 KB")


def need(body: dict[str, Any], *names: str) -> None:
    for name in names:
        if not body.get(name):
            raise Problem(400, "MissingParameter", f"{name} is required")


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Object Storage in small: one namespace, buckets, objects that are put whole or in parts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.oci.reply import Reply
from tests.oci.store import Problem, need

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.oci.services import Serve

NAMESPACE = "ns"
_PLACE = re.compile(r"/n/(?P<space>[^/]+)/b(?:/(?P<bucket>[^/]+)(?:/(?P<kind>[ou])(?:/(?P<name>[^/]+))?)?)?")


@dataclass
class Bucket:
    compartment: str
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Upload:
    bucket: str
    name: str
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)


@dataclass
class Objects:
    buckets: dict[str, Bucket] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    """Names of buckets that somebody else has, whom nobody may see."""

    def read(self, where: Mapping[str, str]) -> bytes:
        """The archive that a function names. Raises Problem, as Functions words it."""
        bucket = self.buckets.get(where["bucketName"]) if where["namespace"] == NAMESPACE else None
        if bucket is None or where["objectName"] not in bucket.objects:
            text = "Authorization failed or requested resource not found: object"
            raise Problem(400, "RelatedResourceNotAuthorizedOrNotFound", text)
        return bucket.objects[where["objectName"]]

    def find(self, method: str, path: str) -> tuple[str, Serve] | None:
        """The operation of a request, and what answers it; None if it is none of Object Storage."""
        if (method, path.rstrip("/")) == ("GET", "/n"):
            return "GetNamespace", lambda *_: Reply(200, NAMESPACE)
        found = _PLACE.fullmatch(path.rstrip("/"))
        if found is None:
            return None
        space, bucket, kind, name = (unquote(each or "") for each in found.groups())
        key = (method, kind if kind else "b", bool(name) if kind else bool(bucket))
        known: dict[tuple[str, str, bool], tuple[str, Any]] = {
            ("POST", "b", False): ("CreateBucket", self._create),
            ("HEAD", "b", True): ("HeadBucket", self._head),
            ("PUT", "o", True): ("PutObject", self._put),
            ("GET", "o", True): ("GetObject", self._get),
            ("HEAD", "o", True): ("HeadObject", self._get),
            ("DELETE", "o", True): ("DeleteObject", self._delete),
            ("POST", "u", False): ("CreateMultipartUpload", self._begin),
            ("PUT", "u", True): ("UploadPart", self._part),
            ("POST", "u", True): ("CommitMultipartUpload", self._commit),
            ("DELETE", "u", True): ("AbortMultipartUpload", self._abort),
        }
        if key not in known:
            return None
        operation, do = known[key]

        def serve(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Reply:
            if space != NAMESPACE:
                raise Problem(404, "NamespaceNotFound", f"You do not have access to namespace {space}")
            told = headers.get("content-md5")
            if told is not None and told != base64.b64encode(hashlib.md5(body).digest()).decode():
                raise Problem(400, "UnmatchedContentMD5", "The computed MD5 does not match")
            reply: Reply = do(bucket, name, body, query)
            return reply

        return operation, serve

    def _bucket(self, name: str) -> Bucket:
        if name not in self.buckets:
            raise Problem(
                404,
                "BucketNotFound",
                f"Either the bucket named '{name}' does not exist in the namespace '{NAMESPACE}' or you are "
                "not authorized to access it",
            )
        return self.buckets[name]

    def _create(self, _: str, __: str, body: bytes, ___: Mapping[str, str]) -> Reply:
        wanted = json.loads(body)
        need(wanted, "name", "compartmentId")
        if wanted["name"] in {*self.buckets, *self.taken}:
            text = f"Either the bucket '{wanted['name']}' in namespace '{NAMESPACE}' already exists"
            raise Problem(409, "BucketAlreadyExists", text)
        self.buckets[wanted["name"]] = Bucket(wanted["compartmentId"])
        return Reply(200, {**wanted, "namespace": NAMESPACE}, {"etag": uuid.uuid4().hex})

    def _head(self, bucket: str, *_: object) -> Reply:
        self._bucket(bucket)
        return Reply(200, None)

    def _put(self, bucket: str, name: str, body: bytes, _: Mapping[str, str]) -> Reply:
        self._bucket(bucket).objects[name] = body
        return Reply(200, None, _sums(body))

    def _get(self, bucket: str, name: str, *_: object) -> Reply:
        held = self._bucket(bucket).objects
        if name not in held:
            raise Problem(404, "ObjectNotFound", f"The object '{name}' does not exist in bucket '{bucket}'")
        return Reply(200, None, {"x-size": str(len(held[name]))})

    def _delete(self, bucket: str, name: str, *more: Any) -> Reply:
        self._get(bucket, name, *more)
        del self.buckets[bucket].objects[name]
        return Reply(204, None)

    def _begin(self, bucket: str, _: str, body: bytes, __: Mapping[str, str]) -> Reply:
        self._bucket(bucket)
        wanted = json.loads(body)
        need(wanted, "object")
        upload_id = uuid.uuid4().hex
        self.uploads[upload_id] = Upload(bucket, wanted["object"])
        told = {"namespace": NAMESPACE, "bucket": bucket, "object": wanted["object"], "uploadId": upload_id}
        return Reply(200, told)

    def _upload(self, bucket: str, name: str, query: Mapping[str, str]) -> Upload:
        found = self.uploads.get(query.get("uploadId", ""))
        if found is None or (found.bucket, found.name) != (bucket, name):
            raise Problem(404, "NoSuchUpload", "The upload does not exist")
        return found

    def _part(self, bucket: str, name: str, body: bytes, query: Mapping[str, str]) -> Reply:
        sums = _sums(body)
        self._upload(bucket, name, query).parts[int(query["uploadPartNum"])] = (sums["etag"], body)
        return Reply(200, None, sums)

    def _commit(self, bucket: str, name: str, body: bytes, query: Mapping[str, str]) -> Reply:
        upload, data = self._upload(bucket, name, query), b""
        for each in json.loads(body)["partsToCommit"]:
            etag, part = upload.parts.get(each["partNum"], ("", b""))
            if etag != each["etag"]:
                raise Problem(400, "InvalidUploadPart", f"part {each['partNum']} is another one")
            data += part
        del self.uploads[query["uploadId"]]
        self._bucket(bucket).objects[name] = data
        return Reply(200, None, {"etag": uuid.uuid4().hex})

    def _abort(self, bucket: str, name: str, _: bytes, query: Mapping[str, str]) -> Reply:
        self._upload(bucket, name, query)
        del self.uploads[query["uploadId"]]
        return Reply(204, None)


def _sums(body: bytes) -> dict[str, str]:
    return {
        "etag": uuid.uuid4().hex,
        "opc-content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
    }

"""Archives that are too large to be sent with a function: into a bucket of Object Storage, and out again.

An object goes up in parts: one that fails is sent again by itself, and what does not get through as a whole
is given up as a whole, so that no half of it is left.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from nbfn.errors import Conflict, NotFound, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.deploy.oci.api import Api
    from nbfn.spec import Progress

PART_BYTES = 16 * 1024 * 1024
_BINARY = "application/octet-stream"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a bucket."""

    namespace: str
    bucket: str
    name: str


class Storage:
    """One bucket. ``api`` is Object Storage's, which has no version in its paths.

    Raises (each method):
        NotFound: one may not; the hint has the policy statement.
        TargetError: refused for another reason, or not reached.
    """

    def __init__(self, api: Api, bucket: str, compartment_id: str) -> None:
        self.bucket = bucket
        self._api = api
        self._compartment_id = compartment_id
        self._namespace = ""

    def put(self, name: str, data: bytes, progress: Progress | None = None) -> Stored:
        """Have the object ``name`` there with ``data`` in it; the bucket is made if it is not there.

        ``progress`` is told ``upload``, and how many of how many bytes are there.
        """
        self._prepare()
        place = f"{self._root}/u"
        about = {"object": name, "contentType": "application/zip"}
        begun = self._api.ask("CreateMultipartUpload", "POST", place, json=about)
        upload = {"uploadId": str(begun.document["uploadId"])}
        target = f"{place}/{quote(name, safe='')}"
        try:
            parts = []
            for number, part in enumerate(_parts(data), 1):
                etag = self._put_part(target, {**upload, "uploadPartNum": str(number)}, part)
                parts.append({"partNum": number, "etag": etag})
                if progress is not None:
                    progress("upload", min(number * PART_BYTES, len(data)), len(data))
            self._api.ask(
                "CommitMultipartUpload", "POST", target, params=upload, json={"partsToCommit": parts}
            )
        except BaseException:
            with contextlib.suppress(TargetError):
                self._api.ask("AbortMultipartUpload", "DELETE", target, params=upload)
            raise
        return Stored(self._namespace, self.bucket, name)

    def remove(self, name: str) -> bool:
        """False if it was not there."""
        try:
            self._api.ask("DeleteObject", "DELETE", f"{self._root}/o/{quote(name, safe='')}")
        except NotFound:
            return False
        return True

    def tidy(self, name: str) -> None:
        """Remove what no function needs any more. That it cannot be removed is no failure of what was asked
        for: it is written to the log."""
        try:
            self.remove(name)
        except TargetError as error:
            _log.warning("the archive %s stays in bucket %s: %s", name, self.bucket, error.message)

    @property
    def _root(self) -> str:
        if not self._namespace:
            self._namespace = str(self._api.ask("GetNamespace", "GET", "n").document)
        return f"n/{quote(self._namespace, safe='')}/b/{quote(self.bucket, safe='')}"

    def _put_part(self, target: str, params: dict[str, str], part: bytes) -> str:
        # Not for secrecy: it is how Object Storage checks what it got.
        digest = hashlib.md5(part, usedforsecurity=False).digest()
        headers = {"content-type": _BINARY, "content-md5": base64.b64encode(digest).decode()}
        answer = self._api.ask(
            "UploadPart", "PUT", target, params=params, content=part, headers=headers, idempotent=True
        )
        return answer.etag

    def _prepare(self) -> None:
        """Have the bucket there."""
        try:
            self._api.ask("HeadBucket", "HEAD", self._root, idempotent=True)
        except NotFound:
            self._create()

    def _create(self) -> None:
        body = {
            "name": self.bucket,
            "compartmentId": self._compartment_id,
            "publicAccessType": "NoPublicAccess",
            "storageTier": "Standard",
        }
        try:
            self._api.ask("CreateBucket", "POST", self._root.rpartition("/")[0], json=body)
        except Conflict as error:
            raise Conflict(
                f"there is a bucket {self.bucket!r} which this user may not see, in another compartment: "
                f"{error.message}",
                hint="use another name (`nbfn update context oracle.bucket …`), or have an administrator add "
                '"Allow group YOUR-GROUP to manage object-family in compartment ITS-COMPARTMENT"',
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error


def _parts(data: bytes) -> Iterator[bytes]:
    for start in range(0, max(len(data), 1), PART_BYTES):
        yield data[start : start + PART_BYTES]

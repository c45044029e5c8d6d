"""Archives that are larger than a request of OCI Functions may be: into the bucket first, and out of it when
no function needs them any more."""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nbfn.deploy.oci.dialect import ArchiveSource, stored_object
from nbfn.deploy.oci.limits import ARCHIVE_MAX_BYTES, STORED_ARCHIVE_MAX_BYTES
from nbfn.errors import LimitError, TargetError, TargetUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbfn.deploy.oci.plan import Wanted
    from nbfn.deploy.oci.storage import Storage

_FOLDER = "nbfn"


class UploadRefused(Exception):
    """Object Storage refused: no Conflict or NotFound by itself, as after those a deployment looks again."""

    def __init__(self, error: TargetError) -> None:
        super().__init__(error.message)
        self.error = error


class Uploads:
    """What goes by way of ``storage``; without one, nothing can."""

    def __init__(self, storage: Storage | None) -> None:
        self._storage = storage

    def check(self, size: int) -> None:
        """Raises LimitError unless an archive of so many bytes can be sent in some way."""
        if size <= ARCHIVE_MAX_BYTES or (self._storage is not None and size <= STORED_ARCHIVE_MAX_BYTES):
            return
        if size <= STORED_ARCHIVE_MAX_BYTES:
            raise LimitError(
                f"the archive is {size / 2**20:.1f} MB, and OCI takes 25 MB directly",
                hint="say which bucket it may go by way of: `nbfn update context oracle.bucket NAME`, or "
                "bucket= of OciSettings",
            )
        raise LimitError(
            f"the archive is {size / 2**20:.1f} MB, and OCI takes 250 MB from a bucket",
            hint="deploy it as an image, or let it need less",
        )

    @contextlib.contextmanager
    def sent(self, want: Wanted, app_id: str) -> Iterator[Wanted]:
        """``want`` as OCI Functions is told of it: a large archive is in the bucket by then.

        Each time it has a name of its own, so that what one deployment takes back is no other's.

        Raises:
            UploadRefused: it cannot be put there.
        """
        source, storage = want.source, self._storage
        if storage is None or not isinstance(source, ArchiveSource) or len(source.data) <= ARCHIVE_MAX_BYTES:
            yield want
            return
        name = f"{_FOLDER}/{app_id}/{want.spec.name}/{secrets.token_hex(8)}.zip"
        try:
            stored = storage.put(name, source.data, want.tell)
        except TargetError as error:
            raise UploadRefused(error) from error
        try:
            yield replace(want, source=replace(source, stored=stored))
        except TargetUnavailable:  # the function may well have been made, of just this object
            raise
        except TargetError:
            storage.tidy(name)
            raise

    def tidy(self, fn: Mapping[str, Any]) -> None:
        """Remove the object that ``fn`` was made of, if that was put there by nbfn."""
        bucket, name = stored_object(fn)
        if self._storage is not None and bucket == self._storage.bucket and name.startswith(f"{_FOLDER}/"):
            self._storage.tidy(name)

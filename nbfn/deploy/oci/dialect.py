"""The two versions of OCI Functions' API, which say the same in other words. No I/O.

``20181201`` has ``image`` and ``imageDigest`` at the top and answers an update with the function;
``20260325`` has ``sourceDetails``, and answers an update with a work request.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.deploy.oci.settings import ApiVersion
    from nbfn.deploy.oci.storage import Stored
    from nbfn.spec import ImageRef

OLD: ApiVersion = "20181201"
_IMAGE, _ARCHIVE = "CONTAINER_IMAGE", "ARCHIVE"
_STORED = "OBJECT_STORAGE_ARCHIVE"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """A function's code as an image: by tag, since OCI asks for one, and by digest."""

    image: str
    digest: str

    @classmethod
    def of(cls, ref: ImageRef) -> ImageSource:
        """Raises BadInput: it has no tag."""
        if not ref.tag:
            raise BadInput(f"the image {ref} has no tag", hint="OCI names images as REPOSITORY:TAG")
        return cls(f"{ref.repository}:{ref.tag}", ref.digest)


@dataclass(frozen=True, slots=True)
class ArchiveSource:
    """A function's code as a zip archive that OCI's own runtime for a language runs."""

    data: bytes = field(repr=False)
    sha256: str
    """Base64, as OCI shows it."""
    handler: str
    runtime: str
    stored: Stored | None = None
    """Where it is in Object Storage; None: it is sent along."""


Source = ImageSource | ArchiveSource


def source_body(version: ApiVersion, source: Source) -> dict[str, Any]:
    """The fields that say what the code is.

    Raises:
        BadInput: this version cannot say it.
    """
    if isinstance(source, ImageSource):
        digest = {"imageDigest": source.digest} if source.digest else {}
        image = {"image": source.image, **digest}
        return image if version == OLD else {"sourceDetails": {"sourceType": _IMAGE, **image}}
    check_version(version, source)
    return {
        "sourceDetails": {
            "sourceType": _ARCHIVE,
            "handler": source.handler,
            "archiveSourceDetails": _archive_details(source),
            "runtimeConfig": {
                "runtimeConfigType": "FUNCTION_UPDATE",
                "functionsRuntimeName": source.runtime,
            },
        }
    }


def check_version(version: ApiVersion, source: Source) -> None:
    """Raises BadInput unless this version of the API has functions of such code."""
    if version == OLD and not isinstance(source, ImageSource):
        raise BadInput(
            f"API version {OLD} knows no archives",
            hint="use 20260325 (`nbfn update context oracle.api-version 20260325`), or deploy an image",
        )


def _archive_details(source: ArchiveSource) -> dict[str, Any]:
    if source.stored is None:
        return {
            "archiveSourceType": "DIRECT_ARCHIVE",
            "archiveFile": base64.b64encode(source.data).decode(),
        }
    return {
        "archiveSourceType": _STORED,
        "namespace": source.stored.namespace,
        "bucketName": source.stored.bucket,
        "objectName": source.stored.name,
    }


def stored_object(fn: Mapping[str, Any]) -> tuple[str, str]:
    """Bucket and name of the object that the function's code is in; empty if it is in none."""
    held = (fn.get("sourceDetails") or {}).get("archiveSourceDetails") or {}
    if held.get("archiveSourceType") != _STORED:
        return "", ""
    return str(held.get("bucketName") or ""), str(held.get("objectName") or "")


def has_source(fn: Mapping[str, Any], source: Source) -> bool:
    """True if the function ``fn`` (in either version's words) already has exactly this code."""
    details = fn.get("sourceDetails") or {}
    if isinstance(source, ImageSource):
        held = details if details.get("sourceType") == _IMAGE else fn
        if held.get("image") != source.image:
            return False
        # A tag may have moved; without a digest of ours that cannot be told.
        return not source.digest or held.get("imageDigest") == source.digest
    return (
        details.get("sourceCodeSha256") == source.sha256
        and details.get("handler") == source.handler
        and (details.get("runtimeConfig") or {}).get("functionsRuntimeName") == source.runtime
    )


def check_switch(fn: Mapping[str, Any], source: Source) -> None:
    """Raises BadInput: the function is of the other kind, and OCI lets none change that."""
    kind = (fn.get("sourceDetails") or {}).get("sourceType", _IMAGE)
    wanted = _IMAGE if isinstance(source, ImageSource) else _ARCHIVE
    if kind != wanted:
        raise BadInput(
            f"function {fn.get('displayName')!r} is made of {_SAID.get(kind, kind)}, not of {_SAID[wanted]}",
            hint="OCI lets no function change that: remove it first, or use another name",
        )


_SAID = {_IMAGE: "an image", _ARCHIVE: "an archive", "PRE_BUILT_FUNCTIONS": "a pre-built function"}


def image_of(fn: Mapping[str, Any]) -> str:
    """What the function runs, as one line: ``REPOSITORY:TAG@sha256:…``, or ``archive RUNTIME SHA``."""
    details = fn.get("sourceDetails") or {}
    kind = details.get("sourceType")
    if kind == _ARCHIVE:
        runtime = (details.get("runtimeConfig") or {}).get("functionsRuntimeName", "")
        return f"archive {runtime} {details.get('sourceCodeSha256', '')}".strip()
    if kind == "PRE_BUILT_FUNCTIONS":
        return of_listing(details.get("pbfListingId", ""))
    held = details if kind == _IMAGE else fn
    digest = held.get("imageDigest")
    return str(held.get("image") or "") + (f"@{digest}" if digest else "")


def of_listing(listing_id: str) -> str:
    """What :func:`image_of` has of a function that is made of this pre-built one."""
    return f"pre-built {listing_id}"

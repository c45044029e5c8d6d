"""IMAGE → REGISTRY: only what it lacks, in chunks that go on where they broke off, the manifest last."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, BinaryIO

import httpx

from nbfn.containerize.image import CONFIG_TYPE, Descriptor, digest_of
from nbfn.containerize.registry.ahead import Ahead
from nbfn.errors import RegistryError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.containerize.image import Image
    from nbfn.containerize.registry.access import Access
    from nbfn.containerize.registry.known import Known
    from nbfn.containerize.registry.reference import Reference
    from nbfn.containerize.registry.repository import Repository
    from nbfn.spec import Progress

CHUNK_BYTES = 16 << 20
SMALL_BYTES = 64 << 10
"""Blobs up to here are sent without asking for them, several at once."""
_TRIES = 4
_DOES_NOT_HAVE = (400, 404)
"""What a registry answers to a manifest with blobs that it lacks: MANIFEST_BLOB_UNKNOWN, BLOB_UNKNOWN."""


def push(
    image: Image,
    ref: Reference,
    access: Access,
    *,
    mount_from: tuple[str, ...] = (),
    memory: Path | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
    ahead: Ahead | None = None,
) -> ImageRef:
    """Make ``ref`` name ``image`` in its registry, byte for byte; returns it by digest.

    Blobs that the repository has are not sent; those that one of ``mount_from``, other repositories of the
    same registry, has are mounted. ``memory`` is a folder that remembers what repositories have, so that they
    are not asked again, and uploads which broke off, so that another process can go on with them.
    ``progress`` is told ``push``, and how many of how many bytes of the layers are there. ``ahead``, of the
    same repository and ``memory``, is a connection that is there already.

    Raises:
        LoginFailed: the registry does not know us, or does not let us; says which part is wrong.
        RegistryError: not reached, broken off, refused. The tag is as it was; a retry sends what is missing.
        ImageError: a layer is missing here, or has another size or digest than it should.
    """
    with contextlib.ExitStack() as stack:
        mine = ahead or stack.enter_context(Ahead(ref, access, memory))
        uploads = _Uploads(mine, mount_from, chunk_bytes, progress)
        return _push(image, ref, mine.known, uploads)


def _push(image: Image, ref: Reference, known: Known, uploads: _Uploads) -> ImageRef:
    config = Descriptor.read(image.manifest.get("config"), "the config")
    config = Descriptor(CONFIG_TYPE, digest_of(image.config_bytes), config.size)
    repository = uploads.repository
    try:
        if known and _is_there(image, ref, known, repository):
            uploads.all_there(image)
            return ImageRef(ref.name, digest=image.digest)
        _send(image, config, ref, uploads)
    except RegistryError as error:
        if not known:
            raise
        # A server that speaks TLS now may hang up on plain http without a word.
        hung_up = repository.is_guessed and not error.status
        if error.status not in _DOES_NOT_HAVE and not hung_up:
            known.forget_root()  # there may be another registry now: look at the next try
            raise
        # It has dropped what it had, or speaks TLS now: look at everything.
        uploads.ahead.again()
        _send(image, config, ref, uploads)
    known.add([config.digest, *(layer.descriptor.digest for layer in image.layers)], repository.open_root)
    return ImageRef(ref.name, digest=image.digest)


def _is_there(image: Image, ref: Reference, known: Known, repository: Repository) -> bool:
    """True if the registry names this very image so already, by its own word."""
    if not all(layer.descriptor.digest in known for layer in image.layers):
        return False
    return repository.manifest_digest(ref.tag or image.digest) == image.digest


def _send(image: Image, config: Descriptor, ref: Reference, uploads: _Uploads) -> None:
    uploads.begin(image)
    small = [] if uploads.there(config, elsewhere=False) else [(config, image.config_bytes)]
    for layer in image.layers:
        if not uploads.there(layer.descriptor):
            with layer.open() as file:
                if layer.descriptor.size <= SMALL_BYTES:
                    small.append((layer.descriptor, file.read()))
                else:
                    uploads.send(layer.descriptor, file)
        uploads.tell(layer.descriptor.size)
    # Each is two requests that a registry takes its time for, and hardly any bytes.
    uploads.ahead.each(lambda blob: uploads.post(*blob), small)
    uploads.repository.put_manifest(image.manifest_bytes, image.media_type, ref.tag or image.digest)


class _Uploads:
    """Sends blobs to one repository."""

    def __init__(
        self,
        ahead: Ahead,
        mount_from: tuple[str, ...],
        chunk_bytes: int,
        progress: Progress | None,
    ) -> None:
        self.ahead = ahead
        self.repository = ahead.repository()
        self._known = ahead.known
        self._mount_from = mount_from
        self._memory = ahead.memory
        self._chunk_bytes = chunk_bytes
        self._progress = progress
        self._done = self._total = 0

    def begin(self, image: Image) -> None:
        """Count from nothing again."""
        self._done, self._total = 0, sum(layer.descriptor.size for layer in image.layers)

    def all_there(self, image: Image) -> None:
        """Nothing has to be sent."""
        self.begin(image)
        self.tell(self._total)

    def there(self, descriptor: Descriptor, *, elsewhere: bool = True) -> bool:
        """True if the repository has the blob, now that it was looked for in the others too."""
        if descriptor.digest in self._known:
            return True
        # Where much is known, what is not is new: to send a small one takes no longer than to ask.
        if self._known and descriptor.size <= SMALL_BYTES:
            return False
        if self.repository.has_blob(descriptor):
            return True
        if not elsewhere:
            return False
        return any(self.repository.mount(descriptor.digest, other) for other in self._mount_from)

    def tell(self, size: int, *, now: int = 0) -> None:
        """So many bytes more are there for good; ``now`` of the blob that is being sent."""
        self._done += size
        if self._progress is not None:
            self._progress("push", self._done + now, self._total)

    def send(self, descriptor: Descriptor, file: BinaryIO) -> None:
        """Send a blob: at once if it is small, else in chunks."""
        if descriptor.size <= self._chunk_bytes:
            self.post(descriptor, file.read())
            return
        at, location = self._remembered(descriptor)
        tries = _TRIES
        while at < descriptor.size:
            file.seek(at)
            data = file.read(self._chunk_bytes)
            try:
                at, location = self._patch(location, data, at)
            except RegistryError as error:
                tries -= 1
                # The registry was asked for something that it cannot (any longer) do with this upload.
                lost = error.status in (400, 404, 416)
                if not tries or (error.status and not lost):
                    raise
                at, location = (0, self.ahead.location()) if lost else self._asked(location)
            self._remember(descriptor, location)
            self.tell(0, now=at)
        self._finish(descriptor, location)
        self._remember(descriptor, "")

    def post(self, descriptor: Descriptor, data: bytes) -> None:
        """Send a blob in one piece.

        Raises:
            ImageError: it is not what its digest says; nothing was sent.
        """
        self._finish(descriptor, self.ahead.location(), data)

    def _patch(self, location: str, data: bytes, at: int) -> tuple[int, str]:
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{at}-{at + len(data) - 1}",
        }
        response = self.repository.request("PATCH", location, headers=headers, content=data)
        return _taken(response, at + len(data)), self.repository.location(response)

    def _finish(self, descriptor: Descriptor, location: str, data: bytes = b"") -> None:
        self.repository.request(
            "PUT",
            location,
            params={"digest": descriptor.digest},
            headers={"Content-Type": "application/octet-stream"},
            content=data,
        )

    # Uploads that broke off

    def _asked(self, location: str) -> tuple[int, str]:
        """Where an upload stands, by the registry's own word; a new one if that is not known."""
        response = self.repository.request("GET", location, allow=range(400, 500))
        if not response.is_success:
            return 0, self.ahead.location()
        known = "location" in response.headers
        return _taken(response, 0), self.repository.location(response) if known else location

    def _remembered(self, descriptor: Descriptor) -> tuple[int, str]:
        path = self._note(descriptor)
        if path is not None:
            try:
                location = str(json.loads(path.read_bytes())["location"])
                return self._asked(str(httpx.URL(location)))
            except (OSError, ValueError, KeyError, TypeError, httpx.InvalidURL):
                pass  # none is known: begin
        return 0, self.ahead.location()

    def _remember(self, descriptor: Descriptor, location: str) -> None:
        path = self._note(descriptor)
        if path is None:
            return
        # It saves time on a retry; a full disk here must not end an upload.
        with contextlib.suppress(OSError):
            if location:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps({"location": location}))
            else:
                path.unlink(missing_ok=True)

    def _note(self, descriptor: Descriptor) -> Path | None:
        if self._memory is None:
            return None
        about = f"{self.repository.ref.name} {descriptor.digest}"
        return self._memory / digest_of(about.encode()).removeprefix("sha256:")


def _taken(response: httpx.Response, default: int) -> int:
    """How many bytes a registry has of an upload: ``Range: 0-99`` is 100 of them."""
    last = response.headers.get("range", "").removeprefix("bytes=").partition("-")[2]
    # Nothing at all is said as 0-0, which one byte would be too; who says so begins anew.
    return int(last) + 1 if last.isdecimal() and int(last) else (0 if last == "0" else default)

"""The store of images: a folder in the OCI image layout, safe for many processes and for kill -9.

``blobs/sha256`` is addressed by content: a blob is written beside it and renamed into place, so it is
there whole or not at all. ``index.json`` gives images names; it is replaced under a lock. A function is
deployed by digest, and a digest is found without the index. Anything that is not part of the
specification (the lock, temporary files, which inputs gave which layer) is below ``.nbfn``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING

from nbfn.containerize import files
from nbfn.containerize.image import INDEX_TYPE, Descriptor, Image, decode, digest_of, encode
from nbfn.errors import ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from nbfn.containerize.image import Layer

REF_NAME = "org.opencontainers.image.ref.name"
DEFAULT_TAG = "latest"
# How long a blob that was fetched in part waits for another try.
_PARTIAL_S = 7 * 86400.0
_MANIFEST_MAX_BYTES = 4 << 20

_REMOVE_IT = "remove it: images are found by their digests, and deploying again names them"
_MARKER = encode({"imageLayoutVersion": "1.0.0"})


class Layout:
    """An OCI image layout at ``path``; the folder is made when the first image is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._blobs = path / "blobs" / "sha256"
        self._own = path / ".nbfn"
        self._temporary = self._own / "tmp"
        self.partials = self._own / "partial"
        """Where the parts of blobs are that have not come whole."""
        self._ready = False

    def __repr__(self) -> str:
        return f"Layout({str(self.path)!r})"

    # Reading

    def get(self, ref: ImageRef | str) -> Image:
        """The image that ``ref`` names, by its digest if it has one, else by its tag (``latest``).

        Layers are not read: a missing one shows when it is opened, or in ``validate``.

        Raises:
            ImageError: there is none, or its manifest or config is damaged.
            BadInput: ``ref`` is not an image reference.
        """
        ref = ImageRef.parse(ref) if isinstance(ref, str) else ref
        digest = ref.digest or self._named(ref)
        manifest_bytes = self._read(digest, f"the manifest of {ref}")
        manifest = decode(manifest_bytes, f"the manifest of {ref}")
        config = Descriptor.read(manifest.get("config"), f"the config of {ref}")
        config_bytes = self._read(config.digest, f"the config of {ref}")
        return Image.read(manifest_bytes, config_bytes, self.blob, str(ref))

    def refs(self) -> dict[str, str]:
        """Every name in the index, as ``repository:tag`` → digest, sorted.

        Raises:
            ImageError: the index is damaged.
        """
        found = {}
        for entry in self._index():
            if name := _name(entry):
                found[name] = Descriptor.read(
                    entry, f"{name} in {self.path / 'index.json'}", _REMOVE_IT
                ).digest
        return dict(sorted(found.items()))

    def manifests(self) -> list[str]:
        """The digest of every image's manifest that is here, named or not, sorted."""
        found = []
        for path in self._blobs.iterdir() if self._blobs.is_dir() else ():
            with contextlib.suppress(OSError, ValueError):
                if path.stat().st_size <= _MANIFEST_MAX_BYTES and _is_manifest(path.read_bytes()):
                    found.append(f"sha256:{path.name}")
        return sorted(found)

    def blob(self, digest: str) -> Path:
        """Where the blob with ``digest`` is, or would be."""
        return self._blobs / digest.removeprefix("sha256:")

    def has(self, digest: str, size: int) -> bool:
        """True if the blob is there with the size that it should have."""
        try:
            return self.blob(digest).stat().st_size == size
        except OSError:
            return False

    def lacking(self, layers: Iterable[Layer]) -> int:
        """Bytes of the ``layers`` that are not here, neither whole nor in part."""
        missing = [
            each.descriptor for each in layers if not self.has(each.descriptor.digest, each.descriptor.size)
        ]
        parts = 0
        for each in missing:
            with contextlib.suppress(OSError):
                parts += (self.partials / each.digest.removeprefix("sha256:")).stat().st_size
        return max(sum(each.size for each in missing) - parts, 0)

    def use(self, digest: str, size: int) -> bool:
        """The same, of a blob that is about to be needed: it counts as new again."""
        if not self.has(digest, size):
            return False
        with contextlib.suppress(OSError):  # a store that cannot be written is not pruned either
            os.utime(self.blob(digest))
        return True

    def reachable(self, digests: Iterable[str]) -> set[str]:
        """The digests of every blob that the images ``digests`` and the index need.

        Raises:
            ImageError: one of them is missing or damaged.
        """
        found: set[str] = set()
        for digest in {*digests, *self.refs().values()}:
            image = self.get(ImageRef("", digest=digest))
            found |= {digest, digest_of(image.config_bytes)}
            found |= {layer.descriptor.digest for layer in image.layers}
        return found

    # Writing

    def put(self, image: Image, repository: str, tag: str = DEFAULT_TAG) -> ImageRef:
        """Keep ``image`` and let ``repository:tag`` name it. Writes only what is not there yet.

        Layers that lie elsewhere are copied in.

        Raises:
            ImageError: a layer is missing.
            StateError: the folder cannot be written: no space, no permission.
        """
        self.put_as(image, str(ImageRef(repository, tag=tag)))
        return ImageRef(repository, digest=image.digest)

    def put_as(self, image: Image, name: str) -> None:
        """Keep ``image`` under a name of any form. Raises as :meth:`put`."""
        self.keep(image)
        config = image.config
        platform = {key: config[key] for key in ("os", "architecture", "variant") if key in config}
        entry: dict[str, object] = {
            "mediaType": image.media_type,
            "digest": image.digest,
            "size": len(image.manifest_bytes),
            "platform": platform,
            "annotations": {REF_NAME: name},
        }
        self._rename(name, entry)

    def keep(self, image: Image) -> Image:
        """``image`` as it is here, found by its digest alone. Raises as :meth:`put`."""
        for layer in image.layers:
            if not self.use(layer.descriptor.digest, layer.descriptor.size):
                self._copy(layer)
        self.add_bytes(image.config_bytes, "an image's config")
        self.add_bytes(image.manifest_bytes, "an image's manifest")
        return Image.read(image.manifest_bytes, image.config_bytes, self.blob, image.digest)

    def remove(self, ref: ImageRef | str) -> bool:
        """Forget the name; False if it was not known. Blobs stay, the image is still found by digest.

        Raises:
            StateError: the folder cannot be written.
        """
        ref = ImageRef.parse(ref) if isinstance(ref, str) else ref
        name = str(ImageRef(ref.repository, tag=ref.tag or DEFAULT_TAG))
        known = name in self.refs()
        if known:
            self._rename(name, None)
        return known

    def add(
        self, fill: Callable[[files.Sink], None], what: str, needed: int, judge: files.Judge | None = None
    ) -> tuple[str, int]:
        """Keep the blob that ``fill`` writes; returns its digest and size.

        ``what`` and ``needed`` (bytes, about) are for the error that says why it could not be kept.
        ``judge``, given where it is written, raises if it is not to be kept.

        Raises:
            StateError: no space, no permission; nothing of it is left.
        """
        self.ensure()
        with files.explained(self.path, what, needed), files.temporary(self._temporary) as sink:
            fill(sink)
            sink.flush()
            if judge is not None:
                judge(sink.path)
            sink.path.replace(self.blob(sink.digest))
        return sink.digest, sink.size

    def add_bytes(self, data: bytes, what: str) -> None:
        """Keep ``data`` as a blob, unless it is there already, undamaged.

        Raises:
            StateError: no space, no permission; nothing of it is left.
        """
        try:
            digest = digest_of(data)
            if self.blob(digest).read_bytes() == data and self.use(digest, len(data)):
                return
        except OSError:
            pass  # not there, or not readable: writing it anew tells which
        self.add(lambda sink: sink.write(data), what, len(data))

    def ensure(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            StateError: it cannot be made.
        """
        if self._ready and self._temporary.is_dir():
            return
        with files.explained(self.path, "the store of images"):
            for folder in (self._blobs, self._temporary, self._own / "layers", self.partials):
                folder.mkdir(parents=True, exist_ok=True)
            files.sweep(self._temporary)
            files.sweep(self.partials, after_s=_PARTIAL_S)
            with self._lock():
                if not (self.path / "index.json").exists():
                    self._write_index([])
                if not (self.path / "oci-layout").exists():
                    files.replace(self.path / "oci-layout", _MARKER, self._temporary)
        self._ready = True

    @contextlib.contextmanager
    def partial(
        self,
        descriptor: Descriptor,
        what: str,
        *,
        resumed: bool = True,
        judge: files.Judge | None = None,
    ) -> Iterator[files.Growing | None]:
        """The part of a blob that is here, to be made whole; None if it is whole already.

        What was written stays for the next try if this one fails, unless it turned out to be wrong, is not
        ``resumed`` by a next try, or has filled the disk, where all else would fail from then on.
        Another process that fetches the same blob waits. ``judge`` is given where it is when it is whole, and
        raises if it is not to be kept.

        Raises:
            ImageError: it is full, and does not have the digest that it should have; or it is not to be kept.
            StateError: no space, no permission.
        """
        self.ensure()
        path = self.partials / descriptor.digest.removeprefix("sha256:")
        with files.explained(self.path, what, descriptor.size), files.growing(path) as growing:
            if self.has(descriptor.digest, descriptor.size):
                path.unlink(missing_ok=True)
                yield None
                return
            try:
                yield growing
                there = self.blob(descriptor.digest)
                growing.finish(descriptor.digest, descriptor.size, what, there, judge)
            except BaseException as error:
                if not resumed or not growing.size or files.is_full(error):
                    path.unlink(missing_ok=True)
                raise

    # Which inputs gave which layer

    def recall(self, key: str) -> Descriptor | None:
        """The uncompressed layer that was made from the inputs with the digest ``key``, if it is here."""
        try:
            document = json.loads((self._own / "layers" / key.removeprefix("sha256:")).read_bytes())
            descriptor = Descriptor.read(document, "a remembered layer")
        except (OSError, ValueError, ImageError):
            return None  # it is a cache: what cannot be read is made again
        return descriptor if self.use(descriptor.digest, descriptor.size) else None

    def remember(self, key: str, descriptor: Descriptor) -> None:
        """Note that inputs with the digest ``key`` gave this layer.

        Raises:
            StateError: it cannot be written.
        """
        path = self._own / "layers" / key.removeprefix("sha256:")
        with files.explained(self.path, "the list of layers"):
            # What cannot be read is made again, so the disk need not be waited for.
            files.replace(path, encode(descriptor.document()), self._temporary, lasting=False)

    def note(self, kind: str, key: str) -> Path:
        """Where something of ``kind`` that can be found out again is noted under the digest ``key``."""
        return self._own / kind / key.removeprefix("sha256:")

    def write_note(self, path: Path, data: bytes, *, lasting: bool = True) -> None:
        """Note ``data`` at ``path``, whole or not at all.

        Raises:
            StateError: it cannot be written.
        """
        self.ensure()
        with files.explained(self.path, "a note"):
            path.parent.mkdir(parents=True, exist_ok=True)
            files.replace(path, data, self._temporary, lasting=lasting)

    # Inside

    def _read(self, digest: str, what: str) -> bytes:
        path = self.blob(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(
                f"{what} is not in {self.path}: {path.name[:12]}…: {error.strerror}",
                hint="deploy the function again: that builds it anew",
            ) from error
        if digest_of(data) != digest:
            raise ImageError(
                f"{what} is damaged: {path} does not have the digest in its name",
                hint="remove that file and deploy the function again",
                problems=[f"{path} has the digest {digest_of(data)}"],
            )
        return data

    def _named(self, ref: ImageRef) -> str:
        names = self.refs()
        name = str(ImageRef(ref.repository, tag=ref.tag or DEFAULT_TAG))
        if name not in names:
            raise ImageError(
                f"there is no image {name} in {self.path}",
                hint=f"there are: {', '.join(names)}" if names else "there are none yet: deploy a function",
            )
        return names[name]

    def _copy(self, layer: Layer) -> None:
        def fill(sink: files.Sink) -> None:
            with layer.open() as file:
                while chunk := file.read(1 << 20):
                    sink.write(chunk)
            if sink.digest != layer.descriptor.digest:
                raise ImageError(f"{layer.path} is damaged: its digest is {sink.digest}")

        self.add(fill, f"the {layer.what} layer", layer.descriptor.size)

    def _index(self) -> list[Mapping[str, object]]:
        path = self.path / "index.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            hint = f"let this user read it, or {_REMOVE_IT}"
            raise ImageError(f"{path} cannot be read: {error.strerror}", hint=hint) from error
        entries = decode(data, f"{path} is damaged: it", hint=_REMOVE_IT).get("manifests")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise ImageError(f"{path} is damaged: it lists no manifests", hint=_REMOVE_IT)
        return entries

    def _rename(self, name: str, entry: Mapping[str, object] | None) -> None:
        self.ensure()
        with files.explained(self.path, "the index of images"), self._lock():
            old = self._index()
            new = [x for x in old if _name(x) != name]
            if entry is not None:
                at = next((at for at, x in enumerate(old) if _name(x) == name), len(old))
                new.insert(at, entry)
            if new != old:
                self._write_index(new)

    def _write_index(self, entries: list[Mapping[str, object]]) -> None:
        document = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": entries}
        files.replace(self.path / "index.json", encode(document), self._temporary)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self._own / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_manifest(data: bytes) -> bool:
    document = json.loads(data) if data[:1] == b"{" else None
    return isinstance(document, dict) and {"config", "layers", "schemaVersion"} <= document.keys()


def _name(entry: Mapping[str, object]) -> str:
    notes = entry.get("annotations")
    return str(notes.get(REF_NAME, "")) if isinstance(notes, dict) else ""

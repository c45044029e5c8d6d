"""Images and layers as immutable views, and the JSON of the OCI image specification.

Changing an image gives a new view (:meth:`Image.append`, :meth:`Image.configured`); its digest follows
from its bytes, and nothing is written until a layout takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from nbfn.containerize import files
from nbfn.containerize.unzipped import Unzipped
from nbfn.errors import ImageError, NbfnError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
# What Docker called the same things before there was a specification; the bytes mean the same.
DOCKER_INDEX_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
INDEX_TYPES = frozenset({INDEX_TYPE, DOCKER_INDEX_TYPE})
MANIFEST_TYPES = frozenset({MANIFEST_TYPE, DOCKER_MANIFEST_TYPE})
CONFIG_TYPES = frozenset({CONFIG_TYPE, DOCKER_CONFIG_TYPE})
PLAIN_TYPES = frozenset({LAYER_TYPE, DOCKER_LAYER_TYPE})
GZIP_TYPES = frozenset({LAYER_GZIP_TYPE, DOCKER_LAYER_GZIP_TYPE})
LAYER_TYPES = PLAIN_TYPES | GZIP_TYPES

CREATED = "1970-01-01T00:00:00Z"
"""When every image says it was made, so that its digest tells only what is in it."""
LAYER_KEY = "org.nbfn.layer"
"""Annotation of a layer's descriptor: ``runtime``, ``dependencies`` or ``code``."""

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

# A layer that grows more than so many times, and to more than so many bytes, is a bomb.
_GROWTH_MAX = 100
_GROWN_MAX_BYTES = 1 << 30
# What a gzip file ends with: the size of its contents, of which that is the lowest part.
_GZIP_SIZE_BYTES = 4


def digest_of(data: bytes) -> str:
    """``sha256:…`` of ``data``."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(file: BinaryIO) -> tuple[str, int]:
    """``sha256:…`` and the size of a whole file, which is left at its beginning."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(1 << 20):
        digest.update(chunk)
        size += len(chunk)
    file.seek(0)
    return f"sha256:{digest.hexdigest()}", size


def most_bytes(size: int) -> int:
    """What ``size`` compressed bytes may grow to: more is a bomb."""
    return max(_GROWTH_MAX * size, _GROWN_MAX_BYTES)


def encode(document: Mapping[str, object]) -> bytes:
    """``document`` as JSON that is the same for equal documents."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(data: bytes, what: str, *, hint: str = "") -> dict[str, Any]:
    """The JSON object in ``data``. ``hint`` says what to do if it is none.

    Raises:
        ImageError: it is none; ``what`` names it.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{what} is not JSON: {error}", hint=hint) from error
    if not isinstance(document, dict):
        raise ImageError(f"{what} is not a JSON object", hint=hint)
    return document


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a document says of a blob that it refers to."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, value: object, what: str, hint: str = "") -> Descriptor:
        """The descriptor in a JSON document. ``hint`` says what to do if it is none.

        Raises:
            ImageError: it is none; ``what`` names it.
        """
        if isinstance(value, dict):
            media_type, digest, size = (value.get(key) for key in ("mediaType", "digest", "size"))
            notes = value.get("annotations", {})
            if (
                isinstance(media_type, str)
                and isinstance(digest, str)
                and DIGEST.fullmatch(digest)
                and type(size) is int
                and size >= 0
                and isinstance(notes, dict)
            ):
                return cls(media_type, digest, size, notes)
        raise ImageError(f"{what} is not a descriptor with mediaType, a sha256 digest and a size", hint=hint)

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        found: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        return {**found, "annotations": dict(self.annotations)} if self.annotations else found


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: a tar on this machine."""

    descriptor: Descriptor
    diff_id: str
    """``sha256:`` of the uncompressed tar."""
    path: Path

    @property
    def what(self) -> str:
        """``runtime``, ``dependencies``, ``code``; ``base`` for a layer that nbfn did not make."""
        return self.descriptor.annotations.get(LAYER_KEY, "base")

    def open(self) -> BinaryIO:
        """The blob as it is stored.

        Raises:
            ImageError: it is missing, or has another size than the descriptor says.
        """
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise ImageError(
                f"the {self.what} layer {self.descriptor.digest} is missing: {self.path}: {error.strerror}",
                hint="deploy the function again: that builds it anew",
            ) from error
        size = file.seek(0, 2)
        file.seek(0)
        if size != self.descriptor.size:
            file.close()
            raise ImageError(
                f"the {self.what} layer {self.path} has {size} bytes, not {self.descriptor.size}",
                hint="deploy the function again: that builds it anew",
            )
        return file

    @property
    def is_zipped(self) -> bool:
        """True if its tar has to be decompressed."""
        return self.descriptor.media_type in GZIP_TYPES

    @property
    def most_bytes(self) -> int:
        """What its tar may have: more is a bomb."""
        return most_bytes(self.descriptor.size)

    def bomb(self) -> ImageError:
        """The error for one that has more."""
        return ImageError(
            f"the layer {self.descriptor.digest} has {self.descriptor.size:,} bytes and grows to "
            f"more than {self.most_bytes:,}: a bomb",
            hint="use an image from somebody you trust",
        )

    def least_bytes(self) -> int:
        """What its tar has at least: of a compressed one that is what its end says, which can be too little.

        Raises:
            ImageError: it is missing.
        """
        if not self.is_zipped:
            return self.descriptor.size
        with self.open() as file:
            if self.descriptor.size < _GZIP_SIZE_BYTES:
                return 0
            file.seek(-_GZIP_SIZE_BYTES, 2)
            return int.from_bytes(file.read(_GZIP_SIZE_BYTES), "little")

    def tar(self) -> BinaryIO:
        """The uncompressed tar, seekable.

        Raises:
            ImageError: it is missing, damaged, compressed in a way that is not understood, or a bomb.
            StateError: the folder of temporary files has no space for it.
        """
        file = self.open()
        if self.descriptor.media_type in PLAIN_TYPES:
            return file
        with file:
            if self.descriptor.media_type not in GZIP_TYPES:
                raise ImageError(f"{self.path} is of the type {self.descriptor.media_type}, not a tar")
            plain = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
            try:
                with files.explained(_temporary(), f"the unzipped {self.what} layer"):
                    self._grow(Unzipped(file, self), plain)
            except NbfnError:
                plain.close()
                raise
        plain.seek(0)
        return plain

    def _grow(self, unzipped: Unzipped, plain: BinaryIO) -> None:
        temporary, what = _temporary(), f"the unzipped {self.what} layer"
        while chunk := unzipped.read(1 << 20):
            # Asked anew each time: its end may have told too little, and others write there too.
            files.check_room(
                temporary, what, unzipped.size, done=unzipped.size - len(chunk), setting="TMPDIR"
            )
            plain.write(chunk)


def _temporary() -> Path:
    return Path(tempfile.gettempdir())


@dataclass(frozen=True, slots=True)
class Image:
    """An image: the bytes of its manifest and config, and its layers, lowest first."""

    manifest_bytes: bytes
    config_bytes: bytes
    layers: tuple[Layer, ...]

    @classmethod
    def made_of(cls, config: Mapping[str, object], layers: Sequence[Layer]) -> Image:
        """An image of ``layers`` whose manifest follows from them."""
        return cls.around(encode(config), layers)

    @classmethod
    def around(cls, config_bytes: bytes, layers: Sequence[Layer]) -> Image:
        """The same of a config's very bytes."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": Descriptor(CONFIG_TYPE, digest_of(config_bytes), len(config_bytes)).document(),
            "layers": [layer.descriptor.document() for layer in layers],
        }
        return cls(encode(manifest), config_bytes, tuple(layers))

    @classmethod
    def read(
        cls, manifest_bytes: bytes, config_bytes: bytes, place: Callable[[str], Path], what: str
    ) -> Image:
        """The image with this manifest and config; ``place`` says where the blob with a digest is.

        Raises:
            ImageError: they do not belong together, or are damaged; ``what`` names the image.
        """
        listed = decode(manifest_bytes, f"the manifest of {what}").get("layers")
        rootfs = decode(config_bytes, f"the config of {what}").get("rootfs")
        diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(listed, list) or not isinstance(diff_ids, list) or len(listed) != len(diff_ids):
            raise ImageError(f"{what} is damaged: its manifest and its config list different layers")
        layers = []
        for number, (document, diff_id) in enumerate(zip(listed, diff_ids, strict=True), start=1):
            descriptor = Descriptor.read(document, f"layer {number} of {what}")
            if not isinstance(diff_id, str) or not DIGEST.fullmatch(diff_id):
                raise ImageError(f"{what} is damaged: layer {number} has no proper diff_id")
            layers.append(Layer(descriptor, diff_id, place(descriptor.digest)))
        return cls(manifest_bytes, config_bytes, tuple(layers))

    @classmethod
    def empty(cls, platform: Mapping[str, str]) -> Image:
        """An image without layers for ``platform`` (``os``, ``architecture``, maybe ``variant``)."""
        config = {"created": CREATED, **platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
        return cls.made_of({**config, "history": []}, ())

    @property
    def digest(self) -> str:
        """``sha256:…`` of the manifest: the image's name everywhere."""
        return digest_of(self.manifest_bytes)

    @property
    def media_type(self) -> str:
        """The manifest's."""
        return str(self.manifest.get("mediaType") or MANIFEST_TYPE)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest; a copy, made anew each time."""
        return decode(self.manifest_bytes, "the manifest")

    @property
    def config(self) -> dict[str, Any]:
        """The config; a copy, made anew each time."""
        return decode(self.config_bytes, "the config")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels in the config."""
        return (self.config.get("config") or {}).get("Labels") or {}

    @property
    def size(self) -> int:
        """Bytes of everything: manifest, config and layers as stored."""
        return len(self.manifest_bytes) + len(self.config_bytes) + sum(x.descriptor.size for x in self.layers)

    def append(self, layer: Layer, *, created_by: str, comment: str = "") -> Image:
        """This image with one layer more on top."""
        config = self.config
        config["rootfs"]["diff_ids"].append(layer.diff_id)
        told = config.get("history")
        history = list(told) if isinstance(told, list) else []
        # A base need not tell its history; but what is told must be of every layer, or readers refuse it.
        known = sum(1 for note in history if not (isinstance(note, dict) and note.get("empty_layer")))
        history += [{"created": CREATED, "created_by": "the base"}] * (len(self.layers) - known)
        note = {"created": CREATED, "created_by": created_by}
        config["history"] = [*history, {**note, "comment": comment} if comment else note]
        return Image.made_of(config, (*self.layers, layer))

    def configured(
        self,
        *,
        env: Mapping[str, str],
        labels: Mapping[str, str],
        **settings: str | Sequence[str] | Mapping[str, object],
    ) -> Image:
        """This image run otherwise: ``env`` and ``labels`` are added, ``settings`` (``User``,
        ``Entrypoint``, ``WorkingDir``…) replace what was there."""
        config = self.config
        runs = config["config"] = dict(config.get("config") or {})
        merged = dict(item.split("=", 1) for item in runs.get("Env") or ())
        runs["Env"] = [f"{name}={value}" for name, value in {**merged, **env}.items()]
        runs["Labels"] = {**(runs.get("Labels") or {}), **labels}
        runs.update(settings)
        return Image.made_of(config, self.layers)

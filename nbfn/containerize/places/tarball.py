"""A file with an image in it: a tar of an OCI layout, or what ``docker save`` writes."""

from __future__ import annotations

import contextlib
import io
import json
import posixpath
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from nbfn.containerize import files, host, judge
from nbfn.containerize.image import (
    INDEX_TYPE,
    LAYER_GZIP_TYPE,
    LAYER_TYPE,
    Descriptor,
    Image,
    Layer,
    decode,
    digest_of,
    encode,
    most_bytes,
)
from nbfn.containerize.layers import MTIME
from nbfn.containerize.members import Header
from nbfn.containerize.places import blobs
from nbfn.containerize.registry import Reference
from nbfn.errors import BadInput, ImageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from nbfn.containerize.judge import Accept
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Progress

Form = Literal["oci-archive", "docker-archive"]
_GIVE = "give a file that `docker save` or `skopeo copy … oci-archive:FILE` has written"
_UNREADABLE = (tarfile.TarError, OSError, ValueError, EOFError, zlib.error)
_GZIP_MAGIC = b"\x1f\x8b"
_LINKS_MAX = 8


@dataclass(frozen=True, slots=True)
class Tarball:
    """The image ``name`` in the file ``path``; without a name, its only one.

    ``form`` is how it is written; either is read.
    """

    path: Path
    name: str = ""
    form: Form = "oci-archive"
    fresh_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.form}:{self.path}" + (f":{self.name}" if self.name else "")

    @property
    def exact(self) -> bool:
        """What Docker saves has no manifest."""
        return self.form == "oci-archive"

    def state(self) -> str:
        try:
            status = self.path.stat()
        except OSError as error:
            raise ImageError(f"{self.path} cannot be read: {error.strerror}", hint=_GIVE) from error
        return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"

    def fetch(
        self,
        layout: Layout,
        *,
        platform: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        accept: Accept | None = None,
    ) -> Image:
        with _Archive.opened(self.path) as archive:
            if archive.has("oci-layout"):
                index = decode(archive.read("index.json"), f"the index of {self.path}", hint="save it again")
                descriptor = blobs.named(index, self.name, str(self))
                return blobs.take(descriptor, archive.blob, layout, str(self), platform, progress, accept)
            return _saved(archive, self.name, layout, str(self), progress, accept)

    def store(self, image: Image, *, progress: Progress | None = None) -> None:
        with (
            files.explained(self.path.parent, f"the image {self}", image.size),
            files.temporary(self.path.parent) as sink,
        ):
            with tarfile.open(fileobj=cast("BinaryIO", _Out(sink)), mode="w|") as tar:
                write = _write_oci if self.form == "oci-archive" else _write_docker
                write(tar, image, self.name)
            sink.flush()
            sink.path.replace(self.path)
        if progress is not None:
            progress("store", image.size, image.size)


class _Out(io.RawIOBase):
    def __init__(self, sink: files.Sink) -> None:
        self._sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        chunk = bytes(cast("bytes", data))
        self._sink.write(chunk)
        return len(chunk)


class _Archive:
    """Members of a tar by their names; links within it are followed, nothing is unpacked."""

    def __init__(self, tar: tarfile.TarFile, path: Path) -> None:
        self._tar = tar
        self._path = path
        # A zipped one is read to its end for this.
        self._most = most_bytes(path.stat().st_size)
        self._members: dict[str, tarfile.TarInfo] = {}
        for info in tar:
            if info.offset_data + info.size > self._most:
                raise ImageError(
                    f"{path} has {path.stat().st_size:,} bytes and grows to more than {self._most:,}: a bomb",
                    hint="use an image from somebody you trust",
                )
            self._members[posixpath.normpath(info.name)] = info

    @classmethod
    @contextlib.contextmanager
    def opened(cls, path: Path) -> Iterator[_Archive]:
        try:
            with tarfile.open(path, "r:*", tarinfo=Header) as tar:
                yield cls(tar, path)
        except _UNREADABLE as error:
            said = str(getattr(error, "strerror", None) or error)
            reason = said if "\n" not in said else "it is no tar"  # tarfile tells of each way it has tried
            raise ImageError(
                f"{path} cannot be read as an image: {reason}",
                hint=_GIVE,
            ) from error

    def has(self, name: str) -> bool:
        return name in self._members

    def _file(self, name: str) -> tarfile.TarInfo:
        at = name
        for _ in range(_LINKS_MAX):
            info = self._members.get(posixpath.normpath(at))
            if info is None or not (info.issym() or info.islnk()):
                break
            folder = posixpath.dirname(info.name) if info.issym() else ""
            at = posixpath.join(folder, info.linkname)
        if info is None or not info.isreg():
            raise ImageError(f"{self._path} has no {name} in it", hint="save the image again")
        return info

    def size(self, name: str) -> int:
        return self._file(name).size

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with cast("BinaryIO", self._tar.extractfile(self._file(name))) as file:
            yield file

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            data = file.read(blobs.DOCUMENT_MAX_BYTES + 1)
        if len(data) > blobs.DOCUMENT_MAX_BYTES:
            raise ImageError(f"{name} in {self._path} is too large to be what its name says")
        return data

    def blob(self, digest: str) -> contextlib.AbstractContextManager[BinaryIO]:
        return self.open(f"blobs/sha256/{digest.removeprefix('sha256:')}")


def _saved(
    archive: _Archive,
    name: str,
    layout: Layout,
    what: str,
    progress: Progress | None,
    accept: Accept | None,
) -> Image:
    """The image in what ``docker save`` wrote; its config, and so its id, is kept as it is."""
    try:
        listed = json.loads(archive.read("manifest.json"))
        entries = [
            (str(x["Config"]), list(map(str, x["Layers"])), list(map(str, x.get("RepoTags") or ())))
            for x in listed
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ImageError(f"manifest.json of {what} is damaged: {error!r}", hint="save it again") from error
    found = [entry for entry in entries if not name or _full(name) in map(_full, entry[2])]
    if len(found) != 1:
        names = ", ".join(sorted(tag for _, _, tags in entries for tag in tags)) or "none with a name"
        asked = f"{len(found)} images {'of that name' if name else 'in it, and no name was given'}"
        raise ImageError(f"{what} has {asked}; there are: {names}", hint="name one of them: PATH:NAME")
    config_name, layer_names, _ = found[0]
    config_bytes = archive.read(config_name)
    config = decode(config_bytes, f"the config of {what}")
    if accept is not None:
        accept(config)
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or len(diff_ids) != len(layer_names):
        raise ImageError(f"{what} is damaged: its config lists other layers than its manifest")
    sizes = [archive.size(layer_name) for layer_name in layer_names]
    new = [size for size, diff_id in zip(sizes, diff_ids, strict=True) if not layout.has(str(diff_id), size)]
    files.check_room(layout.path, f"the layers of {what}", sum(new))
    layers: list[Layer] = []
    root = host.brings_root(Image.around(config_bytes, ()))
    for number, (layer_name, diff_id) in enumerate(zip(layer_names, diff_ids, strict=True), start=1):
        called = f"layer {number} of {what}"
        layers.append(_layer(archive, layer_name, str(diff_id), layout, called, root=root))
        if progress is not None:
            progress("fetch", sum(sizes[:number]), sum(sizes))
    return layout.keep(Image.around(config_bytes, layers))


def _full(name: str) -> str:
    """Docker says ``greet:1`` where others say ``docker.io/library/greet:1``."""
    try:
        return str(Reference.parse(name))
    except BadInput:
        return name


def _layer(archive: _Archive, name: str, diff_id: str, layout: Layout, what: str, *, root: bool) -> Layer:
    """``what`` names it; ``root``: it is part of a system of its own."""
    with archive.open(name) as file:
        size = file.seek(0, 2)
        file.seek(0)
        zipped = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        kind = LAYER_GZIP_TYPE if zipped else LAYER_TYPE
        came = Layer(Descriptor(kind, diff_id, size), diff_id, layout.blob(diff_id))
        if zipped or not judge.is_kept(came, layout, what, root=root):

            def fill(sink: files.Sink) -> None:
                while chunk := file.read(1 << 20):
                    sink.write(chunk)
                if not zipped and sink.digest != diff_id:
                    raise ImageError(f"{what} is damaged: {name} has the digest {sink.digest}, not {diff_id}")

            notes = layout if not zipped else None  # its digest is not known yet
            judged = judge.judging(came, what, root=root, notes=notes)
            digest, size = layout.add(fill, what, size, judged)
        else:
            digest = diff_id
    return Layer(Descriptor(kind, digest, size), diff_id, layout.blob(digest))


def _write_oci(tar: tarfile.TarFile, image: Image, name: str) -> None:
    notes = {blobs.REF_NAME: name} if name else {}
    entry = Descriptor(image.media_type, image.digest, len(image.manifest_bytes), notes).document()
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry]}
    _add(tar, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
    _add(tar, "index.json", encode(index))
    written = set()
    for data in (image.manifest_bytes, image.config_bytes):
        _add(tar, _blob_name(digest_of(data)), data)
    for layer in image.layers:
        if layer.descriptor.digest not in written:
            written.add(layer.descriptor.digest)
            with layer.open() as file:
                _add_file(tar, _blob_name(layer.descriptor.digest), file)


def save(image: Image, name: str, file: BinaryIO, *, known: Collection[str] = ()) -> None:
    """Write what ``docker load`` reads, without the layers ``known`` (diff ids): the daemon has them.

    Raises:
        ImageError: a layer is missing or damaged.
    """
    with tarfile.open(fileobj=file, mode="w|") as tar:
        _write_docker(tar, image, name, known)


def _write_docker(tar: tarfile.TarFile, image: Image, name: str, known: Collection[str] = ()) -> None:
    config = f"{digest_of(image.config_bytes)[7:]}.json"
    layers = [f"{layer.diff_id[7:]}.tar" for layer in image.layers]
    about = {"Config": config, "RepoTags": [name] if name else None, "Layers": layers}
    _add(tar, "manifest.json", json.dumps([about]).encode())
    _add(tar, config, image.config_bytes)
    for place, layer in dict(zip(layers, image.layers, strict=True)).items():
        if layer.diff_id in known:
            continue
        with layer.tar() as file:
            _add_file(tar, place, file)


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    _add_file(tar, name, io.BytesIO(data))


def _add_file(tar: tarfile.TarFile, name: str, file: BinaryIO) -> None:
    info = tarfile.TarInfo(name)
    info.size = file.seek(0, 2)
    info.mtime = MTIME
    file.seek(0)
    tar.addfile(info, file)

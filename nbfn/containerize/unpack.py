"""Layers as folders, for a driver that gives instances their files without a container runtime."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nbfn.containerize import files, host, judge
from nbfn.containerize.image import digest_of_file
from nbfn.containerize.members import OPAQUE, WHITEOUT, list_members, member_problems
from nbfn.errors import ImageError
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from nbfn.containerize.image import Image, Layer
    from nbfn.containerize.layout import Layout
    from nbfn.containerize.members import Member

_CHUNK = 1 << 20
# What the bytes of a file are a multiple of, on nearly every disk.
_BLOCK = 4096
# An instance may run as another user than the one who unpacks.
_FOLDER_MODE = 0o755
_ROOT = "-root"


def unpack(image: Image, into: Path) -> list[Path]:
    """One folder per layer of ``image``, lowest first: ``into/DIFF_ID_HEX``, made once.

    A folder appears whole, under its last name, when everything in it is written; two processes may
    unpack the same image at once. Files and folders can be read by every user.

    A layer whose links lead anywhere, as those of a whole system do, is unpacked only for an image that
    brings a root of its own, into ``into/DIFF_ID_HEX-root``: no path in it may be opened on the host.

    Raises:
        ImageError: a layer is missing or damaged, or holds what must not be unpacked (``problems`` has
            each): names or links that lead out, devices, files cut short.
        StateError: ``into`` cannot be written: no permission, or not enough space, which is looked at before
            anything is unpacked, and again before each layer is.
    """
    own_root = host.brings_root(image)
    what = f"the unpacked image {image.digest[:19]}"
    left = {each.diff_id: each for each in image.layers if _known(each, into, own_root=own_root) is None}
    if left:
        _check_room(list(left.values()), into, what)
    found = []
    for layer in image.layers:
        left.pop(layer.diff_id, None)
        later = sum(each.least_bytes() for each in left.values())
        found.append(_unpacked(layer, into, what, own_root=own_root, later=later))
    return found


def sweep_unpacked(layout: Layout, into: Path) -> int:
    """Remove the folders of layers that no image of ``layout`` has any more; how many.

    Nobody may be using them: it is for the start of whoever unpacks into ``into``.
    """
    try:
        folders = [each for each in into.iterdir() if each.is_dir() and ".tmp-" not in each.name]
    except OSError:
        return 0
    if not folders:
        return 0
    needed: set[str] = set()
    for digest in layout.manifests():
        with contextlib.suppress(ImageError):  # a damaged image is not run either
            layers = layout.get(ImageRef("", digest=digest)).layers
            needed.update(layer.diff_id.removeprefix("sha256:") for layer in layers)
    gone = [each for each in folders if each.name.removesuffix(_ROOT) not in needed]
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def _check_room(layers: list[Layer], into: Path, what: str) -> None:
    """Whether ``layers`` find room, as far as their ends tell. What is zipped is unzipped elsewhere first."""
    temporary = Path(tempfile.gettempdir())
    together = _disk(into) == _disk(temporary)
    needed = most = 0
    for layer in layers:
        size = layer.least_bytes()
        unzipped = size if layer.is_zipped else 0
        needed += size
        most = max(most, needed + unzipped if together else needed)
        files.check_room(temporary, f"the unzipped {layer.what} layer", unzipped, setting="TMPDIR")
    files.check_room(into, what, most)


def _disk(path: Path) -> int | None:
    found = files.existing(path)
    return found.stat().st_dev if found is not None else None


def _folders(layer: Layer, into: Path) -> tuple[Path, Path]:
    """Where it is unpacked to: for any image, and only for one with a root of its own."""
    folder = into / layer.diff_id.removeprefix("sha256:")
    return folder, folder.with_name(f"{folder.name}{_ROOT}")


def _known(layer: Layer, into: Path, *, own_root: bool) -> Path | None:
    folder, rooted = _folders(layer, into)
    return next((each for each in ((folder, rooted) if own_root else (folder,)) if each.is_dir()), None)


def _unpacked(layer: Layer, into: Path, image: str, *, own_root: bool, later: int) -> Path:
    """Its folder. ``later`` are the bytes that the rest of ``image`` will need, or more."""
    known = _known(layer, into, own_root=own_root)
    if known is not None:
        return known
    folder, rooted = _folders(layer, into)
    what, needed = f"the unpacked {layer.what} layer", layer.descriptor.size
    with layer.tar() as tar, files.explained(into, what, needed):
        members, plain = _checked(layer, tar, own_root=own_root)
        files.check_room(into, image, _on_disk(members) + later)
        folder = folder if plain else rooted
        into.mkdir(parents=True, exist_ok=True)
        files.sweep(into, "*.tmp-*")
        part = into / f"{folder.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}"
        part.mkdir()
        try:
            _extract(tar, members, part)
            with contextlib.suppress(OSError):
                part.rename(folder)
            if not folder.is_dir():
                part.rename(folder)  # not because another process was first: raise what it is
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return folder


def _on_disk(members: list[Member]) -> int:
    return sum(-(-each.size // _BLOCK) * _BLOCK for each in members if each.kind == "file")


def _checked(layer: Layer, tar: BinaryIO, *, own_root: bool) -> tuple[list[Member], bool]:
    """The members, and whether they may be unpacked for any image."""
    digest, size = digest_of_file(tar)
    if digest != layer.diff_id:
        raise ImageError(
            f"the {layer.what} layer is damaged: {layer.path} does not have the digest in its name",
            hint="remove that file and deploy the function again",
            problems=[f"{layer.path} has the digest {digest}"],
        )
    members, damage = list_members(tar)
    problems = damage + member_problems(members, size)
    plain = not problems
    if problems and own_root:
        problems = damage + member_problems(members, size, root=True)
    if problems:
        raise judge.refused(f"the {layer.what} layer {layer.path}", "must not be unpacked", problems)
    return members, plain


def _extract(tar: BinaryIO, members: list[Member], root: Path) -> None:
    source = tar.fileno()
    folders = {"": root}
    for member in members:
        parent, _, name = member.path.rpartition("/")
        path = _folder(parent, folders) / name
        if name.startswith(WHITEOUT):
            _delete(parent, name, folders)
        elif member.kind == "folder":
            _folder(member.path, folders)
        elif member.kind == "node":
            continue  # whoever runs it has devices of its own
        elif member.kind == "symlink":
            path.symlink_to(member.target)
        elif member.kind == "hardlink":
            os.link(root / member.target, path, follow_symlinks=False)
        else:
            _write(source, member, path)
    for folder in folders.values():
        folder.chmod(_FOLDER_MODE)


def _delete(parent: str, name: str, folders: dict[str, Path]) -> None:
    """What overlayfs takes for a deletion."""
    folder = _folder(parent, folders)
    if name == OPAQUE:
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
    else:
        os.mknod(folder / name.removeprefix(WHITEOUT), stat.S_IFCHR, 0)


def _folder(name: str, folders: dict[str, Path]) -> Path:
    found = folders.get(name)
    if found is None:
        parent, _, last = name.rpartition("/")
        found = folders[name] = _folder(parent, folders) / last
        found.mkdir()
    return found


def _write(source: int, member: Member, path: Path) -> None:
    target = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        at, end = member.offset, member.offset + member.size
        while at < end:
            data = os.pread(source, min(_CHUNK, end - at), at)
            if not data:
                raise ImageError(f"{member.path!r} is cut short")
            at += len(data)
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
        # No set-user-id from an image, and readable for whoever the instance runs as.
        os.fchmod(target, (member.mode & 0o777) | 0o444)
    finally:
        os.close(target)

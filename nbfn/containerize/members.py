"""What a layer's tar holds, and whether it may be unpacked: names, kinds and links are judged here."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

Kind = Literal["file", "folder", "symlink", "hardlink", "node", "other"]
"""``node`` is one of those that every system has in ``/dev``."""

WHITEOUT = ".wh."
"""What the name of a member begins with that deletes one of a layer below."""
OPAQUE = ".wh..wh..opq"
"""The name of a member that deletes all that the layers below have in its folder."""
# tarfile copies what is left of it for every header.
_READ_BYTES = 1 << 16
# More than any system or environment has, in memory at once.
_MEMBERS_MAX = 1_000_000
# What is said of the next member: its long name, its times and attributes.
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_HEADER_MAX_BYTES = 1 << 20
# Where the tools that make systems put them, and their numbers. Who runs an image has a /dev of its own.
_NODES = {
    ("dev/null", tarfile.CHRTYPE, 1, 3),
    ("dev/zero", tarfile.CHRTYPE, 1, 5),
    ("dev/full", tarfile.CHRTYPE, 1, 7),
    ("dev/random", tarfile.CHRTYPE, 1, 8),
    ("dev/urandom", tarfile.CHRTYPE, 1, 9),
    ("dev/tty0", tarfile.CHRTYPE, 4, 0),
    ("dev/tty", tarfile.CHRTYPE, 5, 0),
    ("dev/console", tarfile.CHRTYPE, 5, 1),
    ("dev/ptmx", tarfile.CHRTYPE, 5, 2),
    ("dev/initctl", tarfile.FIFOTYPE, 0, 0),
}
# What tarfile lets through when a header is damaged, beside its own errors.
_UNREADABLE = (tarfile.TarError, ValueError, EOFError, OverflowError, OSError)


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a layer; ``path`` is relative to the image's root, without ``./``."""

    path: str
    kind: Kind
    mode: int
    size: int
    offset: int
    """Where its bytes begin in the (uncompressed) tar."""
    target: str = ""
    """Of a symbolic link, as it is; of a hard link, the path of the other member."""


def path_problem(path: str) -> str:
    """Why ``path`` may not be a member's name, or an empty text if it may."""
    if not path:
        return "a member has no name"
    if path.startswith("/"):
        return f"{path!r} is absolute"
    parts = path.split("/")
    if ".." in parts:
        return f"{path!r} leaves the image through '..'"
    if "" in parts or "." in parts or "\0" in path:
        return f"{path!r} is not a plain path"
    return ""


def read_members(tar: BinaryIO, size: int, *, root: bool = False) -> tuple[list[Member], list[str]]:
    """The members of an uncompressed tar of ``size`` bytes, and what is wrong with them.

    With ``root`` the layer is part of an image with a root of its own: its links are followed only
    there, so they may lead anywhere, it may delete what is in the layers below, and have the devices that
    every system has.

    The second list is empty if the layer is safe to unpack into a folder of its own. A tar that
    cannot be read gives the members before the damage.
    """
    members, problems = list_members(tar)
    return members, problems + member_problems(members, size, root=root)


def list_members(tar: BinaryIO, *, seekable: bool = True) -> tuple[list[Member], list[str]]:
    """The members of an uncompressed tar, not judged yet, and why it cannot be read, if it cannot be.

    One that is not ``seekable`` is read to the end of its last member.
    """
    members: list[Member] = []
    problems: list[str] = []
    try:
        with _opened(tar, seekable=seekable) as archive:
            for number, info in enumerate(archive, start=1):
                cast("Any", archive).members.clear()  # it would have every header in memory until the end
                if number > _MEMBERS_MAX:
                    raise tarfile.ReadError(f"it has more than {_MEMBERS_MAX:,} members")
                path = _plain(info.name)
                if path in ("", ".") and info.isdir():
                    continue
                kind = _kind(info, path)
                target = _plain(info.linkname) if kind == "hardlink" else info.linkname
                members.append(Member(path, kind, info.mode, info.size, info.offset_data, target))
                if info.issparse():
                    raise _sparse(path)
    except _UNREADABLE as error:
        problems.append(f"the tar cannot be read: {error}")
    return members, problems


def _opened(tar: BinaryIO, *, seekable: bool) -> tarfile.TarFile:
    if seekable:
        return tarfile.open(fileobj=tar, mode="r:", tarinfo=Header)
    return tarfile.open(fileobj=tar, mode="r|", bufsize=_READ_BYTES, tarinfo=Header)


class Header(tarfile.TarInfo):
    """A header that can be read: what it says of a member is short, and does not lead backwards."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        found = super().frombuf(buf, encoding, errors)
        if found.type in _HEADERS and found.size > _HEADER_MAX_BYTES:
            raise tarfile.ReadError(f"a header of {found.size:,} bytes")
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise _sparse(found.name)
        return found

    def _block(self, count: int) -> int:
        if count < 0:  # older tarfiles go back by it, and read the same header for ever
            raise tarfile.ReadError(f"{self.name!r} has {count:,} bytes")
        return -(-count // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE

    def _proc_gnusparse_10(self, found: tarfile.TarInfo, *_: object) -> None:
        raise _sparse(found.name)


def _sparse(name: str) -> tarfile.ReadError:
    """tarfile gives sparse files back with holes filled in; reading by offset would not. Where its holes are
    may be a list of any length, which tarfile has in memory."""
    return tarfile.ReadError(f"{name!r} is a sparse file")


def member_problems(members: Iterable[Member], size: int, *, root: bool = False) -> list[str]:
    """Everything that forbids unpacking ``members`` of a tar of ``size`` bytes, each as a line."""
    problems: list[str] = []
    seen: dict[str, Kind] = {}
    for member in members:
        problem = path_problem(member.path) or _trouble(member, seen, size, root=root)
        if problem:
            problems.append(problem)
        else:
            _note(member, seen)
    return problems


def _trouble(member: Member, seen: dict[str, Kind], size: int, *, root: bool) -> str:
    path, earlier = member.path, seen.get(member.path)
    blocked = _not_a_folder(path, seen)
    if blocked:
        return f"{path!r} goes through {blocked!r}, which is a {seen[blocked]}"
    if earlier is not None and (earlier, member.kind) != ("folder", "folder"):
        return f"{path!r} is there twice"
    if path.rpartition("/")[2].startswith(WHITEOUT) and not root:
        return f"{path!r} deletes what a layer below has, which only a container runtime can do"
    if member.kind == "other" or (member.kind == "node" and not root):
        return f"{path!r} is a device, a pipe or of an unknown kind"
    if member.kind == "file" and not 0 <= member.size <= size - member.offset:
        return f"{path!r} is cut short"
    if member.kind == "symlink" and not (root or _stays_inside(path, member.target)):
        return f"{path!r} links out of the image, to {member.target!r}"
    if member.kind == "hardlink" and seen.get(member.target) not in (
        ("file", "symlink") if root else ("file",)
    ):
        return f"{path!r} is a hard link to {member.target!r}, which is no file before it in the layer"
    return ""


def _note(member: Member, seen: dict[str, Kind]) -> None:
    folder = member.path.rpartition("/")[0]
    while folder and folder not in seen:
        seen[folder] = "folder"
        folder = folder.rpartition("/")[0]
    seen[member.path] = "file" if member.kind == "hardlink" else member.kind


def _not_a_folder(path: str, seen: dict[str, Kind]) -> str:
    folder = path.rpartition("/")[0]
    while folder:
        if seen.get(folder, "folder") != "folder":
            return folder
        folder = folder.rpartition("/")[0]
    return ""


def _stays_inside(path: str, target: str) -> bool:
    """True if a link at ``path`` cannot lead out, whatever other links it passes.

    Climbing is allowed only at the beginning: there, the folders are known to be real ones.
    """
    if not target or target.startswith("/") or "\0" in target:
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return climbs <= path.count("/") and ".." not in parts[climbs:]


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return name.rstrip("/") if name != "/" else name


def _kind(info: tarfile.TarInfo, path: str) -> Kind:
    if info.isdir():
        return "folder"
    if info.issym():
        return "symlink"
    if info.islnk():
        return "hardlink"
    if (path, info.type, info.devmajor, info.devminor) in _NODES:
        return "node"
    return "file" if info.isreg() else "other"

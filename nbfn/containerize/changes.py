"""What differs between two images: files, packages, sizes, and how they start."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize.describe import describe, readable
from nbfn.containerize.members import OPAQUE, WHITEOUT, read_members

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.image import Image, Layer

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is in one image, in the other, or in both and not the same."""

    what: str
    """A path, a package's name, or a setting."""
    before: str = ""
    """Its size, version or value; empty if it is new."""
    after: str = ""
    """Empty if it is gone."""

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.what}  {self.after}"
        if not self.after:
            return f"- {self.what}  {self.before}"
        return f"~ {self.what}  {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class Changes:
    """From one image to another. ``str()`` of it is a text to read; false if they are the same."""

    before: str
    after: str
    """The images' digests."""
    size_before: int
    size_after: int
    """Bytes of all layers as stored, config and manifest."""
    files: tuple[Change, ...]
    packages: tuple[Change, ...]
    settings: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.files or self.packages or self.settings)

    def __str__(self) -> str:
        grown = self.size_after - self.size_before
        by = f"{'+' if grown >= 0 else '-'}{readable(abs(grown))}"
        sizes = f"{readable(self.size_before)} → {readable(self.size_after)} ({by})"
        lines = [f"{self.before[7:19]} → {self.after[7:19]}  {sizes}"]
        parts = {"settings": self.settings, "packages": self.packages, "files": self.files}
        for name, found in parts.items():
            if found:
                lines.append(f"  {name}: {len(found)}")
                lines += [f"    {change}" for change in found[:_SHOWN]]
            if len(found) > _SHOWN:
                lines.append(f"    … and {len(found) - _SHOWN} more")
        return "\n".join(lines)


def changes(before: Image, after: Image) -> Changes:
    """What differs. Layers that both have below all others are not read.

    Raises:
        ImageError: a layer is missing, or cannot be read.
    """
    shared = 0
    for ours, theirs in zip(before.layers, after.layers, strict=False):
        if ours.diff_id != theirs.diff_id:
            break
        shared += 1
    old, new = _files(before.layers[shared:]), _files(after.layers[shared:])
    told = describe(before), describe(after)
    versions = [{package.name: package.version for package in x.packages} for x in told]
    settings = [
        {
            "entrypoint": " ".join(x.entrypoint),
            "user": x.user,
            "folder": x.working_dir,
            "platform": x.platform,
            **{f"env {name}": value for name, value in x.env.items()},
            **{f"label {name}": value for name, value in x.labels.items()},
        }
        for x in told
    ]
    contents = _changed(old, new)
    files = tuple(Change(x.what, _without_digest(x.before), _without_digest(x.after)) for x in contents)
    return Changes(
        before.digest,
        after.digest,
        before.size,
        after.size,
        files,
        _changed(versions[0], versions[1]),
        _changed(settings[0], settings[1]),
    )


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Change, ...]:
    names = sorted({*old, *new})
    return tuple(
        Change(name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)
    )


def _without_digest(about: str) -> str:
    size, space, _ = about.partition(" ")
    return readable(int(size)) if space and size.isdecimal() else about


def _files(layers: tuple[Layer, ...]) -> dict[str, str]:
    """Path → size and digest, or where a link leads, as the last layer leaves it."""
    found: dict[str, str] = {}
    for layer in layers:
        with layer.tar() as tar:
            size = tar.seek(0, 2)
            tar.seek(0)
            members, _ = read_members(tar, size, root=True)
            for member in members:
                folder, _, name = member.path.rpartition("/")
                if name == OPAQUE:
                    found = {x: about for x, about in found.items() if not x.startswith(f"{folder}/")}
                elif name.startswith(WHITEOUT):
                    found.pop(f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/"), None)
                elif member.kind == "symlink":
                    found[member.path] = f"→{member.target}"
                elif member.kind == "hardlink":
                    found[member.path] = found.get(member.target, "0")
                elif member.kind == "file":
                    tar.seek(member.offset)
                    digest = hashlib.sha256(tar.read(member.size)).hexdigest()
                    found[member.path] = f"{member.size} {digest}"
    return found

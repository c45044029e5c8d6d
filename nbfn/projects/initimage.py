"""``nbfn init --init-image``: the files of a new function, as an image that is run prints them, in a tar."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn import yamlfile
from nbfn.containerize.dockerrun import printed
from nbfn.containerize.members import read_members
from nbfn.errors import BadInput, StateError
from nbfn.projects import fields

if TYPE_CHECKING:
    from collections.abc import Mapping

ABOUT = "func.init.yaml"
"""The file of the tar that says what ``func.yaml`` shall have; it is not written itself."""
_NAME = "FN_FUNCTION_NAME"
_TAKEN = (
    *("runtime", "build_image", "run_image", "cmd", "entrypoint"),
    *("content_type", "build", "expects", "deploy"),
)
_HINT = "an init image prints a tar of a function's files with func.init.yaml among them"


@dataclass(frozen=True, slots=True)
class Template:
    """What an init image gives."""

    about: Mapping[str, Any]
    """For ``func.yaml``."""
    files: Mapping[str, tuple[bytes, int]] = field(default_factory=dict, repr=False)
    """Contents and modes by path."""
    folders: tuple[str, ...] = ()

    def write(self, folder: Path, *, force: bool = False) -> None:
        """Write the files into ``folder``.

        Raises:
            BadInput: one is there already, and may not be written over; nothing was written.
            StateError: the folder cannot be written.
        """
        there = [name for name in self.files if (folder / name).exists()]
        if there and not force:
            raise BadInput(f"{folder / there[0]} is there already", hint="--force overwrites it")
        try:
            for name in self.folders:
                (folder / name).mkdir(parents=True, exist_ok=True)
            for name, (content, mode) in self.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(mode & 0o777 | 0o600)
        except OSError as error:
            raise StateError(f"{folder} cannot be written: {error.strerror}") from error


def ask(image: str, name: str) -> Template:
    """Run ``image`` for a function called ``name``.

    Raises:
        ImageError: there is no Docker, or no such image, or it failed.
        BadInput: what it printed is no such tar.
    """
    return unpacked(printed(image, {_NAME: name}), image)


def unpacked(tar: bytes, image: str) -> Template:
    """What ``image`` printed. Raises BadInput, as :func:`ask`."""
    stream = io.BytesIO(tar)
    members, problems = read_members(stream, len(tar))
    files: dict[str, tuple[bytes, int]] = {}
    folders = []
    for member in members:
        if member.kind == "folder":
            folders.append(member.path)
        elif member.kind == "file":
            files[member.path] = (tar[member.offset : member.offset + member.size], member.mode)
        else:
            problems.append(f"{member.path!r} is a {member.kind}: only files and folders are taken")
    if problems:
        raise BadInput(f"what {image} printed cannot be unpacked: {problems[0]}", hint=_HINT)
    content, _ = files.pop(ABOUT, (None, 0))
    if content is None:
        raise BadInput(f"what {image} printed has no {ABOUT}", hint=_HINT)
    return Template(_about(content, image), files, tuple(folders))


def _about(content: bytes, image: str) -> dict[str, Any]:
    path = Path(f"{ABOUT} of {image}")
    try:
        document = yamlfile.parse(content.decode(), path)
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text", hint=_HINT) from None
    found = fields.plain(document.data)
    return {key: found[key] for key in _TAKEN if found.get(key)}

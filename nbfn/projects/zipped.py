"""Functions that went to OCI as code alone: their archives, kept here since OCI gives none back."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import logging
import re
import secrets
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize.members import path_problem
from nbfn.containerize.recipe import FUNCTION_FOLDER, LOCAL, repository
from nbfn.errors import ImageError
from nbfn.projects.folder import stand_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)
_HANDLER = "nbfn_handler.py"
_DIST_INFO = re.compile(r"python/([^/]+)-([^/-]+)\.dist-info/METADATA")
_USES_FDK = re.compile(rb"^\s*(?:from|import)\s+fdk\b", re.MULTILINE)
_UNPACKED_MAX_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Contents:
    """A function as its image or archive holds it."""

    files: Mapping[str, bytes]
    """Beside ``func.py``, by path."""
    requirements: tuple[str, ...]
    """Every package, in its version."""
    base: str = ""
    """What an image was built on."""


def keep(state: Path, app: str, name: str, data: bytes) -> None:
    """Have the function's archive below ``state``, instead of the one before.

    That it cannot be written is no failure: it is written to the log.
    """
    path = _path(state, app, name)
    part = path.with_suffix(f".{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        _log.warning("the archive of %s is not kept, so it cannot be exported: %s", name, error)
        with contextlib.suppress(OSError):
            part.unlink()


def kept(state: Path, app: str, name: str, digest: str) -> bytes:
    """The function's archive of this ``sha256:…``.

    Raises:
        ImageError: it is not here.
    """
    try:
        data = _path(state, app, name).read_bytes()
    except OSError:
        data = b""
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise ImageError(
            f"the code of {name!r} is not here: it was deployed as an archive, and OCI gives none back",
            hint="export it on the machine that deployed it, or deploy it from here first",
        )
    return data


def read_archive(data: bytes) -> Contents:
    """What is in an archive of nbfn's.

    Raises:
        ImageError: it is none, or damaged.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _read(archive)
    # zipfile's own ways to say so: cut off, packed as it cannot read, or without one of our files.
    except (zipfile.BadZipFile, EOFError, NotImplementedError, KeyError) as error:
        raise ImageError(f"this is no archive of nbfn's: {error}") from error


def _read(archive: zipfile.ZipFile) -> Contents:
    inside = archive.infolist()
    prefix = f"{FUNCTION_FOLDER}/"
    if sum(each.file_size for each in inside) > _UNPACKED_MAX_BYTES:
        raise ImageError("the archive unpacks to more than 2 GB")
    files = {
        each.filename.removeprefix(prefix): archive.read(each)
        for each in inside
        if each.filename.startswith(prefix) and not each.is_dir()
    }
    if problems := [problem for path in files if (problem := path_problem(path))]:
        raise ImageError(f"the archive cannot be unpacked: {problems[0]}", problems=problems)
    if "nbfn.json" not in files or files.pop(_HANDLER, None) is None:
        raise ImageError("this is no archive of nbfn's: it has no function")
    if any(_USES_FDK.search(code) for path, code in files.items() if path.endswith(".py")):
        files = {**stand_in(), **files}  # it stayed behind: OCI's runtime brings the real one
    found = (_DIST_INFO.fullmatch(each.filename) for each in inside)
    named = {f"{match[1].replace('_', '-')}=={match[2]}" for match in found if match}
    return Contents(files, tuple(sorted(named)))


def archive_digest(image: str) -> str:
    """``sha256:…`` of the archive that ``image`` tells of (``archive RUNTIME SHA``); empty if of none."""
    kind, _, told = image.partition(" ")
    digest = told.rpartition(" ")[2]
    try:
        return f"sha256:{base64.b64decode(digest, validate=True).hex()}" if kind == "archive" else ""
    except ValueError:
        return ""


def _path(state: Path, app: str, name: str) -> Path:
    return state / "archives" / f"{repository(app, name).removeprefix(f'{LOCAL}/')}.zip"

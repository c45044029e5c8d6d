"""``func.yaml`` (schema 20180708): one function's name, version, runtime, limits and triggers.

Whatever else is in the file, known to nbfn or not, is there again when it is written back, comments too.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn import yamlfile
from nbfn.errors import BadInput, LimitError
from nbfn.projects import fields
from nbfn.projects.ocideploy import oci_annotations, pre_built
from nbfn.projects.version import bumped, check_version
from nbfn.spec import NAME_MAX_BYTES, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbfn.projects.version import Part
    from nbfn.yamlfile import Document, Key

SCHEMA = 20180708
NAMES = ("func.yaml", "func.yml", "func.json")
_NAMED = re.compile(r"""^["']?name["']?[ \t]*:[ \t]*["']?([^\s"'#,{}]+)""", re.MULTILINE)
_TRIGGER_NAME = re.compile(r"[\w-]+")
# Folders that hold other people's func.yaml, or nothing of anybody's.
_SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "target"})


@dataclass(frozen=True, slots=True)
class Trigger:
    """A way in by HTTP: ``/t/APP`` + ``source``."""

    name: str
    type: str
    source: str


class FuncFile:
    """A function as its file describes it.

    Raises (when made):
        BadInput: the file cannot be understood; with line and column.
        StateError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._document: Document = yamlfile.read(path)
        self._check_schema()
        document = self._document
        self.name = fields.text(document, "name") or path.absolute().parent.name.lower()
        self.version = fields.text(document, "version")
        if self.version:
            check_version(self.version, document.where("version"))
        self.runtime = fields.text(document, "runtime")
        self.build_image = fields.text(document, "build_image")
        self.run_image = fields.text(document, "run_image")
        self.entrypoint = fields.text(document, "entrypoint")
        self.cmd = fields.text(document, "cmd")
        self.content_type = fields.text(document, "content_type")
        self.memory = self._limit("memory", lambda value: Limits(memory_mb=value))
        self.timeout = self._limit("timeout", lambda value: Limits(timeout_s=value))
        self.idle_timeout = self._limit("idle_timeout", lambda value: Limits(idle_timeout_s=value))
        self.config: Mapping[str, str] = fields.texts(document, "config")
        self.annotations: Mapping[str, Any] = fields.plain(fields.mapping(document, "annotations"))
        self.oci: Mapping[str, Any] = oci_annotations(document)
        self.pre_built = pre_built(document)
        self.build = [fields.text(document, "build", n) for n in range(len(fields.items(document, "build")))]
        self.triggers = self._triggers()

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def own_dockerfile(self) -> bool:
        """True if the folder has a Dockerfile, which then says all about the image."""
        return (self.folder / "Dockerfile").is_file()

    @property
    def has_own_name(self) -> bool:
        """False if the name is the folder's, for want of one in the file."""
        return bool(fields.text(self._document, "name"))

    def where(self, *keys: Key) -> str:
        """``file:line:column`` of a value."""
        return self._document.where(*keys)

    def next_version(self, part: Part = "patch") -> str:
        """What :meth:`set_version` is given after a change. Raises BadInput if there is none to go by."""
        return bumped(self.version, part, self.where("version"))

    def set_version(self, version: str) -> None:
        """Write ``version`` into the file, and change nothing else in it. Raises StateError."""
        if self.path.suffix != ".json":
            changed = yamlfile.set_scalar(self.path, version, "version")
            if changed is not None:
                self._document, self.version = changed, version
                return
        data = self._document.data
        if "version" in data or "name" not in data:
            data["version"] = version
        else:
            data.insert(list(data).index("name") + 1, "version", version)
        self.version = version
        if self.path.suffix == ".json":
            yamlfile.write_text(self.path, json.dumps(fields.plain(data), indent=2) + "\n")
        else:
            yamlfile.write(self._document)

    def _limit(self, key: str, check: Callable[[int], object]) -> int | None:
        """A number that may be missing, or 0, which the Fn CLI takes for the default."""
        value = fields.number(self._document, key)
        try:
            if value:
                check(value)
        except LimitError as error:
            raise LimitError(f"{self.where(key)}: {error.message}", hint=error.hint) from None
        return value

    def _check_schema(self) -> None:
        found = fields.text(self._document, "schema_version")
        if found == str(SCHEMA):
            return
        if not found:
            raise BadInput(
                f"{self.path} has no schema_version, as before 2018: its keys may mean other things",
                hint="`nbfn migrate` in its folder brings it up to date",
            )
        raise BadInput(
            f"{self.where('schema_version')}: schema_version is {found}",
            hint=f"this version of nbfn understands {SCHEMA}",
        )

    def _triggers(self) -> tuple[Trigger, ...]:
        document, found = self._document, []
        for number in range(len(fields.items(document, "triggers"))):
            given = {
                key: fields.text(document, "triggers", number, key) for key in ("name", "type", "source")
            }
            missing = [key for key, value in given.items() if not value]
            if missing:
                raise BadInput(
                    f"{document.where('triggers', number)}: the trigger has no {missing[0]}",
                    hint="a trigger is a name, 'type: http' and a source that begins with '/'",
                )
            self._check_trigger(number, Trigger(**given))
            found.append(Trigger(**given))
        return tuple(found)

    def _check_trigger(self, number: int, trigger: Trigger) -> None:
        """As a server would, which is asked only once the function itself is deployed."""
        at = ("triggers", number)
        if not _TRIGGER_NAME.fullmatch(trigger.name) or len(trigger.name.encode()) > NAME_MAX_BYTES:
            raise BadInput(
                f"{self.where(*at, 'name')}: {trigger.name!r} cannot name a trigger",
                hint=f"use letters, digits, '_' and '-', at most {NAME_MAX_BYTES} bytes",
            )
        if trigger.type != "http":
            raise BadInput(
                f"{self.where(*at, 'type')}: the trigger's type is {trigger.type!r}",
                hint="http is the only one there is",
            )
        if not trigger.source.startswith("/"):
            raise BadInput(
                f"{self.where(*at, 'source')}: the trigger's source is {trigger.source!r}",
                hint=f"it is a path: /{trigger.source}",
            )


def find_func_file(folder: Path, *, instead: str = "") -> FuncFile:
    """The function of ``folder``. Raises BadInput if it has no file of one, or as :class:`FuncFile`.

    ``instead`` is what the error says to do where the folder is not a function's.
    """
    for name in NAMES:
        if (folder / name).is_file():
            return FuncFile(folder / name)
    what = "has no func.yaml" if folder.is_dir() else "is not a folder"
    raise BadInput(
        f"{folder.absolute()} {what}", hint=instead or "`nbfn init --runtime python NAME` makes a function"
    )


def guessed_name(place: Path) -> str:
    """What the function of a folder, or of such a file, may be called where it cannot be understood."""
    for path in [place / name for name in NAMES] if place.is_dir() else [place]:
        try:
            named = _NAMED.search(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if named:
            return named[1]
    folder = place if place.is_dir() else place.parent
    return folder.absolute().name.lower()


def walk(folder: Path) -> Iterator[FuncFile]:
    """Every function in and below ``folder``, by path. Raises as :class:`FuncFile`."""
    yield from map(FuncFile, func_files(folder))


def func_files(folder: Path) -> Iterator[Path]:
    """The file of every function in and below ``folder``, by path."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        name = next((name for name in NAMES if name in files), None)
        if name is not None:
            yield Path(place) / name

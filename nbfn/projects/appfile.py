"""``app.yaml``: an application and what all of its functions share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbfn import yamlfile
from nbfn.errors import BadInput
from nbfn.projects import fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = ("app.yaml", "app.yml", "app.json")


@dataclass(frozen=True, slots=True)
class AppFile:
    """An application as its file describes it."""

    path: Path
    name: str
    config: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    syslog_url: str = ""

    @property
    def body(self) -> dict[str, Any]:
        """What a server is told, without the name."""
        told = {
            "config": dict(self.config),
            "annotations": dict(self.annotations),
            "syslog_url": self.syslog_url,
        }
        return {key: value for key, value in told.items() if value}


def find_app_file(folder: Path) -> AppFile | None:
    """The application of ``folder``, or None if it has no file of one.

    Raises:
        BadInput: the file cannot be understood, or has no name.
    """
    for name in NAMES:
        path = folder / name
        if not path.is_file():
            continue
        document = yamlfile.read(path)
        named = fields.text(document, "name")
        if not named:
            raise BadInput(f"{path} has no name", hint="add a line 'name: APP'")
        return AppFile(
            path,
            named,
            fields.texts(document, "config"),
            fields.plain(fields.mapping(document, "annotations")),
            fields.text(document, "syslog_url"),
        )
    return None

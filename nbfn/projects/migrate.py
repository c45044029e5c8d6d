"""``nbfn migrate``: a ``func.yaml`` from before 2018 becomes one of today's schema, its comments kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbfn import yamlfile
from nbfn.errors import BadInput
from nbfn.projects import fields
from nbfn.projects.funcfile import NAMES, SCHEMA, FuncFile

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.yamlfile import Document

# What was once in such a file and is in none of today's. The address became a trigger.
GONE = ("path", "tests", "cpus", "format", "headers")


def migrate(folder: Path) -> FuncFile:
    """Bring the ``func.yaml`` of ``folder`` to today's schema; what it was is kept as ``func.yaml.bak``.

    The ``path`` that the function was called at (else ``/NAME``) becomes the source of an HTTP trigger, and
    what there is no more goes.

    Raises:
        BadInput: there is no such file, it is up to date already, or it cannot be understood.
        StateError: the folder cannot be written.
    """
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if path is None:
        raise BadInput(f"{folder.absolute()} has no func.yaml", hint="migrate in the function's folder")
    document = yamlfile.read(path)
    found = fields.text(document, "schema_version")
    if found == str(SCHEMA):
        raise BadInput(f"{path} is up to date (schema_version {SCHEMA})", hint="there is nothing to migrate")
    if found:
        raise BadInput(
            f"{document.where('schema_version')}: schema_version is {found}",
            hint=f"only files without one are older than {SCHEMA}",
        )
    before = path.read_text(encoding="utf-8")
    after = migrated(document)
    yamlfile.write_text(path.with_name(f"{path.name}.bak"), before)
    try:
        yamlfile.write_text(path, after)
        return FuncFile(path)
    except BadInput:
        yamlfile.write_text(path, before)
        raise


def migrated(document: Document) -> str:
    """The text of ``document``, whose schema is of before 2018, in today's. Raises BadInput."""
    name = fields.text(document, "name")
    source = fields.text(document, "path") or (f"/{name}" if name else "")
    data = document.data
    for key in GONE:
        data.pop(key, None)
    data.insert(0, "schema_version", SCHEMA)
    if name and source and not data.get("triggers"):
        data["triggers"] = [{"name": _plain(name), "type": "http", "source": f"/{source.lstrip('/')}"}]
    if document.path.suffix == ".json":
        return json.dumps(fields.plain(data), indent=2) + "\n"
    return yamlfile.dump(data)


def _plain(name: str) -> str:
    """A function's name could be an image's, which a trigger's cannot: ``me/hello:1`` → ``hello``."""
    return name.rpartition("/")[2].partition(":")[0]

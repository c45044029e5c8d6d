"""What an image will be, decided without touching anything: ``docs/wire.md`` §1 in code."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import host
from nbfn.containerize.layers import Entry
from nbfn.containerize.members import path_problem
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.containerize.image import Image
    from nbfn.spec import Capture, FunctionSpec

SCHEMA = 1
SCHEMA_LABEL = "org.nbfn.schema"
HANDLER_LABEL = "org.nbfn.handler"
FINGERPRINT_LABEL = "org.nbfn.fingerprint"

LOCAL = "nbfn.local"
"""Where the names of images begin that are built here."""
FUNCTION_FOLDER = "function"
ENTRYPOINT = ("python3", "-S", "-B", "-m", "nbfn_runtime")
USER = "1000:1000"
_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": f"/opt/nbfn:/{FUNCTION_FOLDER}:/python",
    "PYTHONUNBUFFERED": "1",
    "LANG": "C.UTF-8",
}

# The distribution specification's grammar for one part of a repository's name.
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_COMPONENT_MAX = 100


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything about an image that follows from what was asked for and captured."""

    repository: str
    requirements: tuple[str, ...]
    """Of the dependency layer, as PEP 508 strings."""
    code: tuple[Entry, ...]
    """Of the code layer."""
    env: Mapping[str, str]
    labels: Mapping[str, str]

    def finish(self, image: Image) -> Image:
        """``image``, which has the layers, run as nbfn's images are."""
        return image.configured(
            env=self.env,
            labels=self.labels,
            Entrypoint=list(ENTRYPOINT),
            WorkingDir=f"/{FUNCTION_FOLDER}",
            User=USER,
        )


def plan(spec: FunctionSpec, capture: Capture, base_labels: Mapping[str, str]) -> Recipe:
    """The recipe for ``capture`` deployed as ``spec``, on a base that adds ``base_labels``.

    Raises:
        ImageError: a data file's path leaves the function's folder or takes the code's place.
    """
    fingerprint = capture.fingerprint
    labels = {
        SCHEMA_LABEL: str(SCHEMA),
        HANDLER_LABEL: capture.handler,
        FINGERPRINT_LABEL: fingerprint,
        host.PYTHON_LABEL: str(capture.python),
    }
    return Recipe(
        repository=repository(spec.app, spec.name),
        requirements=tuple(sorted({*capture.requirements, *spec.requires})),
        code=_code(capture, fingerprint),
        env=_ENV,
        labels={**labels, **base_labels},
    )


def repository(app: str, name: str) -> str:
    """``nbfn.local/APP/NAME``; a part that registries would not take is made fit, with a mark of its own."""
    return f"{LOCAL}/{_component(app)}/{_component(name)}"


def entry_document(capture: Capture, fingerprint: str) -> dict[str, object]:
    """What ``nbfn.json`` tells the runtime, and an export: which configuration is secret."""
    secrets = {"secrets": sorted(capture.config)} if capture.config else {}
    return {
        "schema": SCHEMA,
        "handler": capture.handler,
        "style": capture.style,
        "python": str(capture.python),
        "by_value": capture.by_value,
        "preload": list(capture.preload),
        "fingerprint": fingerprint,
        **secrets,
    }


def _code(capture: Capture, fingerprint: str) -> tuple[Entry, ...]:
    about = json.dumps(entry_document(capture, fingerprint), indent=2, ensure_ascii=False) + "\n"
    files = {"func.py": capture.source.encode(), "nbfn.json": about.encode()}
    problems = [problem for path in capture.files if (problem := path_problem(path))]
    problems += [f"{path!r} is the function's own" for path in capture.files if path in files]
    if problems:
        raise ImageError(f"a data file cannot go into the image: {problems[0]}", problems=problems)
    everything = {**files, **capture.files}
    return tuple(Entry.of(f"{FUNCTION_FOLDER}/{path}", everything[path]) for path in sorted(everything))


def _component(name: str) -> str:
    if _COMPONENT.fullmatch(name) and len(name) <= _COMPONENT_MAX:
        return name
    # Names that differ only in what is lost here must stay apart.
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    plain = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:_COMPONENT_MAX].strip("-")
    return f"{plain}-{mark}" if plain else mark

"""Whether an image keeps the OCI image specification: every broken invariant, not just the first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nbfn.containerize import host
from nbfn.containerize.image import (
    CONFIG_TYPE,
    CONFIG_TYPES,
    DIGEST,
    LAYER_KEY,
    LAYER_TYPES,
    MANIFEST_TYPE,
    MANIFEST_TYPES,
    Descriptor,
    digest_of,
    digest_of_file,
)
from nbfn.containerize.judge import contents_problems
from nbfn.containerize.recipe import SCHEMA_LABEL
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from nbfn.containerize.image import Image, Layer

    Judged = dict[tuple[str, int, str, str, bool], list[str]]
    """Digest, size and type of a layer, its ``diff_id``, whether it is of a system → what is wrong."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_ENV_ITEM = re.compile(r"[^=\0]+=[^\0]*", re.DOTALL)


def validate(image: Image, known: Judged | None = None) -> list[str]:
    """Each invariant that ``image`` breaks, as a line; empty if it is sound. Reads every byte of it.

    ``known`` takes what was found of each layer, for the next image that has it.
    """
    judged = {} if known is None else known
    try:
        manifest, config = image.manifest, image.config
    except ImageError as error:
        return [error.message]
    problems = manifest_problems(manifest, image)
    problems += config_problems(config)
    problems += history_problems(config, len(image.layers), _untold(image) if _is_ours(config) else 0)
    listed = _diff_ids(config)
    if isinstance(listed, list) and listed != [layer.diff_id for layer in image.layers]:
        problems.append("config: rootfs.diff_ids are not those of the layers, in their order")
    root = host.brings_root(image)
    for number, layer in enumerate(image.layers, start=1):
        described = layer.descriptor
        key = (described.digest, described.size, described.media_type, layer.diff_id, root)
        if key not in judged:
            judged[key] = layer_problems(layer, root=root)
        problems += [f"layer {number} ({layer.what}): {problem}" for problem in judged[key]]
    return problems


def manifest_problems(manifest: dict[str, Any], image: Image) -> list[str]:
    """What is wrong with a manifest, by itself and as that of ``image``."""
    problems = []
    if manifest.get("schemaVersion") != 2:
        problems.append(f"manifest: schemaVersion is {manifest.get('schemaVersion')!r}, not 2")
    if manifest.get("mediaType", MANIFEST_TYPE) not in MANIFEST_TYPES:
        problems.append(f"manifest: mediaType is {manifest.get('mediaType')!r}, not {MANIFEST_TYPE}")
    problems += _annotation_problems("manifest", manifest.get("annotations", {}))
    problems += _config_reference_problems(manifest.get("config"), image.config_bytes)
    listed = manifest.get("layers")
    if not isinstance(listed, list):
        return [*problems, "manifest: layers is not a list"]
    if len(listed) != len(image.layers):
        problems.append(f"manifest: it lists {len(listed)} layers, and the image has {len(image.layers)}")
    for number, (document, layer) in enumerate(zip(listed, image.layers, strict=False), start=1):
        try:
            descriptor = Descriptor.read(document, f"manifest: layer {number}")
        except ImageError as error:
            problems.append(error.message)
            continue
        if descriptor != layer.descriptor:
            problems.append(f"manifest: layer {number} is not described as the image has it")
        problems += _annotation_problems(f"manifest: layer {number}", document.get("annotations", {}))
    return problems


def _config_reference_problems(document: object, config_bytes: bytes) -> list[str]:
    try:
        config = Descriptor.read(document, "manifest: config")
    except ImageError as error:
        return [error.message]
    problems = []
    if config.media_type not in CONFIG_TYPES:
        problems.append(f"manifest: the config's mediaType is {config.media_type!r}, not {CONFIG_TYPE}")
    if config.digest != digest_of(config_bytes):
        problems.append(f"manifest: the config has the digest {digest_of(config_bytes)}")
    if config.size != len(config_bytes):
        problems.append(f"manifest: the config has {len(config_bytes)} bytes, not {config.size}")
    return problems


def config_problems(config: dict[str, Any]) -> list[str]:
    """What is wrong with a config by itself."""
    problems = [
        f"config: {key} is {config.get(key)!r}, not a name"
        for key in ("os", "architecture")
        if not isinstance(config.get(key), str) or not config.get(key)
    ]
    if "variant" in config and not isinstance(config["variant"], str):
        problems.append(f"config: variant is {config['variant']!r}")
    if "created" in config and not _is_time(config["created"]):
        problems.append(f"config: created is {config['created']!r}, not an RFC 3339 time")
    rootfs = config.get("rootfs")
    if not isinstance(rootfs, dict) or rootfs.get("type") != "layers":
        problems.append("config: rootfs.type is not 'layers'")
    diff_ids = _diff_ids(config)
    if not isinstance(diff_ids, list) or not all(
        isinstance(x, str) and DIGEST.fullmatch(x) for x in diff_ids
    ):
        problems.append("config: rootfs.diff_ids is not a list of sha256 digests")
    runs = config.get("config", {})
    if not isinstance(runs, dict):
        return [*problems, "config: config is not an object"]
    return problems + _run_problems(runs)


def history_problems(config: dict[str, Any], layers: int, untold: int = 0) -> list[str]:
    """What is wrong with a config's history, which must tell of each of so many ``layers``.

    It may leave out ``untold`` of them, if it leaves out these all.
    """
    history = config.get("history")
    if history is None:
        return []
    if not isinstance(history, list) or not all(isinstance(note, dict) for note in history):
        return ["config: history is not a list of objects"]
    problems = [
        f"config: history {number} was created {note['created']!r}, not an RFC 3339 time"
        for number, note in enumerate(history, start=1)
        if "created" in note and not _is_time(note["created"])
    ]
    told = sum(1 for note in history if not note.get("empty_layer"))
    if told not in (layers, layers - untold):
        problems.append(f"config: history tells of {told} layers, and the image has {layers}")
    return problems


def _untold(image: Image) -> int:
    """The layers of a base below ours: of one without a history, nbfn once told nothing either, and all that
    reads our images does without."""
    return sum(1 for layer in image.layers if LAYER_KEY not in layer.descriptor.annotations)


def _is_ours(config: dict[str, Any]) -> bool:
    runs = config.get("config")
    labels = runs.get("Labels") if isinstance(runs, dict) else None
    return isinstance(labels, dict) and SCHEMA_LABEL in labels


def layer_problems(layer: Layer, *, root: bool = False) -> list[str]:
    """What is wrong with a layer: its descriptor against its bytes, and what the tar holds.

    ``root``: it is part of a system of its own, see :func:`read_members`.
    """
    descriptor, problems = layer.descriptor, []
    if descriptor.media_type not in LAYER_TYPES:
        problems.append(f"mediaType is {descriptor.media_type!r}, which is not a layer's")
    try:
        with layer.open() as file:
            digest, _ = digest_of_file(file)
        if digest != descriptor.digest:
            problems.append(f"{layer.path} has the digest {digest}, not the one in its name")
        if not problems:
            problems += contents_problems(layer, root=root)
    except ImageError as error:
        problems.append(error.message)
    return problems


def _run_problems(runs: dict[str, Any]) -> list[str]:
    problems = []
    for key in ("Entrypoint", "Cmd", "Env"):
        value = runs.get(key)
        if value is not None and not _is_texts(value):
            problems.append(f"config: {key} is not a list of strings")
    env = runs.get("Env") or []
    if _is_texts(env):
        problems += [f"config: Env has {x!r}, not NAME=VALUE" for x in env if not _ENV_ITEM.fullmatch(x)]
    labels = runs.get("Labels")
    # A base, or an image of somebody else's, need not say.
    ours = isinstance(labels, dict) and SCHEMA_LABEL in labels
    if ours and not (runs.get("Entrypoint") or runs.get("Cmd")):
        problems.append("config: neither Entrypoint nor Cmd says what to run")
    folder = runs.get("WorkingDir", "/")
    if not isinstance(folder, str) or (folder and not folder.startswith("/")):
        problems.append(f"config: WorkingDir is {folder!r}, not an absolute path")
    if not isinstance(runs.get("User", ""), str):
        problems.append(f"config: User is {runs['User']!r}, not a string")
    return problems + _annotation_problems("config: Labels", runs.get("Labels") or {})


def _annotation_problems(where: str, notes: object) -> list[str]:
    if not isinstance(notes, dict) or not all(isinstance(value, str) for value in notes.values()):
        return [f"{where}: not every key has a string"]
    return [f"{where}: there is an empty key"] if "" in notes else []


def _diff_ids(config: dict[str, Any]) -> object:
    rootfs = config.get("rootfs")
    return rootfs.get("diff_ids") if isinstance(rootfs, dict) else None


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None

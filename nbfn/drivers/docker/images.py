"""Images for the daemon: from nbfn's own layout by their digest, its own, or pulled by it."""

from __future__ import annotations

import contextlib
import re
import tempfile
from typing import TYPE_CHECKING, Any

import docker

from nbfn.containerize import Layout
from nbfn.containerize.image import digest_of
from nbfn.containerize.places.tarball import save
from nbfn.drivers.base import StartFailed, refuse_volumes
from nbfn.drivers.docker.container import Supplied
from nbfn.drivers.docker.engine import FAILED, GONE, absent, reason
from nbfn.errors import NbfnError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nbfn.containerize.image import Image
    from nbfn.drivers.docker.engine import Engine
    from nbfn.spec import ImageRef, Progress

OURS = "nbfn.local"
KEEP = 100
"""How many images of the layout the daemon holds, beside those that run."""
_HOST_LABEL = "org.nbfn.host"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MATTERS = ("Entrypoint", "Cmd", "Env", "User", "WorkingDir")


class Images:
    """Used from the engine's threads. What is loaded is named ``nbfn.local/MARK:DIGEST`` in the daemon."""

    def __init__(self, engine: Engine, images: Path, scratch: Path, mark: str, *, keep: int = KEEP) -> None:
        self._engine = engine
        self._api = engine.api
        self._layout = Layout(images)
        self._scratch = scratch
        self.repository = f"{OURS}/{mark}"
        self._supplied: dict[ImageRef, Supplied] = {}
        self._known: set[tuple[str, ...]] | None = None
        self._thin = True
        self._keep = keep

    def supply(self, ref: ImageRef, progress: Progress) -> Supplied:
        """Have the daemon hold the image, and say how it is called there.

        Raises:
            StartFailed: stage ``image``: there is none, it cannot be had, or cannot run in a container.
        """
        found = self._supplied.pop(ref, None)
        if found is None:
            try:
                found = self._find(ref, progress)
            except GONE as error:
                raise StartFailed("image", self._engine.went_away(error)) from error
            except docker.errors.DockerException as error:
                hint = "look at its name, and whether its registry can be reached and lets this user in"
                raise StartFailed(
                    "image", f"{self._engine.name} cannot have {ref}: {reason(error)}", hint=hint
                ) from error
        if ref.digest:  # a tag may come to mean another image
            self._supplied[ref] = found  # behind all that were asked for less lately
        return found

    def forget(self, ref: ImageRef) -> None:
        """The daemon has it no more."""
        self._supplied.pop(ref, None)
        self._known = None

    def sweep(self) -> None:
        """Take our names off images that the layout no longer has; the daemon then removes them."""
        for name in self._names():
            if not self._layout.blob(f"sha256:{name.rpartition(':')[2]}").exists():
                self._let_go(name)

    def _trim(self) -> None:
        """Make room for one more among ``keep``: those go that nobody asked for lately."""
        recent = [supplied.name for supplied in tuple(self._supplied.values())]
        rank = {name: at for at, name in enumerate(recent)}
        names = sorted(self._names(), key=lambda name: rank.get(name, -1))
        for name in names[: max(len(names) + 1 - self._keep, 0)]:
            self._let_go(name)
            self._known = None

    def _names(self) -> list[str]:
        """What this executor has loaded, or one before it."""
        found = self._api.images(name=self.repository)
        names = [name for image in found for name in image.get("RepoTags") or ()]
        ours = [name for name in names if name.rpartition(":")[0].endswith(self.repository)]
        return [name for name in ours if _DIGEST.fullmatch(name.rpartition(":")[2])]

    def _let_go(self, name: str) -> None:
        with contextlib.suppress(*FAILED):  # a container of it may run still
            self._api.remove_image(name, noprune=False)
            self._supplied = {ref: found for ref, found in self._supplied.items() if found.name != name}

    def _find(self, ref: ImageRef, progress: Progress) -> Supplied:
        image: Image | None = None
        missing = StartFailed("image", "")
        try:
            image = self._layout.get(ref)
        except NbfnError as error:
            missing = StartFailed("image", error.message, hint=error.hint)
        except OSError as error:
            missing = StartFailed("image", f"image {ref.short or ref}: {error}")
        if image is not None:
            return self._from_layout(image, progress)
        name = f"{ref.repository}@{ref.digest}" if ref.digest else str(ref)
        inspected = self._inspect(name)
        if inspected is None:
            if ref.repository.startswith(f"{OURS}/"):
                raise missing
            self._pull(ref, progress)
            inspected = self._inspect(name)
        if inspected is None:
            raise StartFailed("image", f"{self._engine.name} pulled {name}, and does not have it")
        return _supplied(name, inspected)

    # From the layout

    def _from_layout(self, image: Image, progress: Progress) -> Supplied:
        if image.labels.get(_HOST_LABEL):
            raise StartFailed(
                "image",
                "the image runs on this machine's own Python, which a container does not have: deploy "
                "it on a base that brings one (base='fn' or an image's name; --base of a cell), or use the "
                "sandbox",
            )
        name = f"{self.repository}:{image.digest.removeprefix('sha256:')}"
        inspected = self._inspect(name)
        if inspected is None:
            self._trim()
            self._load(image, name, progress)
            inspected = self._inspect(name)
        if inspected is None or not is_same(inspected, image):
            raise StartFailed(
                "image", f"what {self._engine.name} has as {name} is not the image with that digest"
            )
        if self._known is not None:
            self._known |= prefixes(layer.diff_id for layer in image.layers)
        return _supplied(name, inspected)

    def _load(self, image: Image, name: str, progress: Progress) -> None:
        """Only the layers that it lacks, where the daemon takes that; else, and then always, all."""
        known = self._known_layers(image) if self._thin else frozenset()
        if known:
            try:
                self._send(image, name, known, progress)
            except StartFailed:
                self._thin = False
            else:
                return
        self._send(image, name, frozenset(), progress)

    def _send(self, image: Image, name: str, known: frozenset[str], progress: Progress) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with tempfile.TemporaryFile(dir=self._scratch) as file:
                save(image, name, file, known=known)
                file.seek(0)
                _follow(self._api.load_image(file, quiet=False), "load", progress)
        except (NbfnError, OSError) as error:
            if isinstance(error, (StartFailed, *GONE)):
                raise
            hint = error.hint if isinstance(error, NbfnError) else ""
            said = error.message if isinstance(error, NbfnError) else error
            raise StartFailed("image", f"image {image.digest[7:19]}: {said}", hint=hint) from error

    def _known_layers(self, image: Image) -> frozenset[str]:
        """The lowest layers of ``image`` that the daemon has, in this order, below another image."""
        if self._known is None:
            self._known = set()
            for found in self._api.images():
                inspected = self._inspect(found["Id"])
                if inspected is not None:
                    self._known |= prefixes((inspected.get("RootFS") or {}).get("Layers") or ())
        diff_ids = tuple(layer.diff_id for layer in image.layers)
        for count in range(len(diff_ids), 0, -1):
            if diff_ids[:count] in self._known:
                return frozenset(diff_ids[:count]) - frozenset(diff_ids[count:])
        return frozenset()

    # From elsewhere

    def _pull(self, ref: ImageRef, progress: Progress) -> None:
        told = self._api.pull(ref.repository, tag=ref.digest or ref.tag or "latest", stream=True, decode=True)
        _follow(told, "pull", progress)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.inspect_image(name)
        except docker.errors.APIError as error:
            if absent(error):
                return None
            raise
        return found


def is_same(inspected: Mapping[str, Any], image: Image) -> bool:
    """Whether the daemon's image is ``image``: by its id, or where that means something else, by content."""
    ids = {digest_of(image.config_bytes), image.digest}
    if f"sha256:{str(inspected.get('Id', '')).removeprefix('sha256:')}" in ids:
        return True
    runs, theirs = image.config.get("config") or {}, inspected.get("Config") or {}
    return [layer.diff_id for layer in image.layers] == (inspected.get("RootFS") or {}).get("Layers") and all(
        (runs.get(key) or None) == (theirs.get(key) or None) for key in _MATTERS
    )


def prefixes(diff_ids: Iterable[str]) -> set[tuple[str, ...]]:
    """Every stack of layers that an image of these contains."""
    layers = tuple(diff_ids)
    return {layers[:count] for count in range(1, len(layers) + 1)}


def _supplied(name: str, inspected: Mapping[str, Any]) -> Supplied:
    runs = inspected.get("Config") or {}
    refuse_volumes(runs)
    if not (runs.get("Entrypoint") or runs.get("Cmd")):
        raise StartFailed("image", "the image says nothing to run: it has no Entrypoint and no Cmd")
    return Supplied(name, str(runs.get("User") or ""), tuple(runs.get("Env") or ()))


def _follow(told: Iterable[Mapping[str, Any]], what: str, progress: Progress) -> None:
    """Tell how far it is, layer by layer.

    Raises:
        StartFailed: the daemon says that it failed.
    """
    done: dict[str, tuple[int, int]] = {}
    for line in told:
        if "error" in line:
            raise StartFailed("image", str(line["error"]).strip())
        detail = line.get("progressDetail") or {}
        if detail.get("total") and line.get("status") in ("Downloading", "Loading layer"):
            done[str(line.get("id"))] = (int(detail.get("current", 0)), int(detail["total"]))
            progress(what, sum(at for at, _ in done.values()), sum(total for _, total in done.values()))

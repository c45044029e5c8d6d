"""CAPTURE → IMAGE: each layer is made unless it is here already, and the image is put into a layout."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.containerize import dependencies, layers, parts, recipe
from nbfn.containerize.bases import find_base
from nbfn.containerize.describe import packages_in
from nbfn.containerize.image import LAYER_KEY, LAYER_TYPE, Descriptor, Layer
from nbfn.containerize.packages import Package

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from nbfn.config import Settings
    from nbfn.containerize.files import Sink
    from nbfn.containerize.layers import Entry
    from nbfn.containerize.layout import Layout
    from nbfn.spec import Capture, FunctionSpec, ImageRef, Progress

# So many steps are told of one layer, at most.
_STEPS = 100


@dataclass(frozen=True, slots=True)
class BuiltLayer:
    """A layer of a built image."""

    digest: str
    size: int
    """Bytes, uncompressed."""
    reused: bool
    """True if it was here before this build."""
    what: str
    """``runtime``, ``dependencies``, ``code``, or ``base``."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave."""

    image: ImageRef
    layers: tuple[BuiltLayer, ...]
    """Lowest first."""
    packages: tuple[Package, ...]
    """In the dependency layer, by name."""
    took_ms: float

    @property
    def reused(self) -> bool:
        """True if no layer had to be made."""
        return all(layer.reused for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer.size for layer in self.layers)


def build(
    spec: FunctionSpec,
    capture: Capture,
    layout: Layout,
    *,
    progress: Progress | None = None,
    settings: Settings | None = None,
) -> Built:
    """Build the image of ``capture``, deployed as ``spec``, into ``layout``.

    The same capture gives the same digest, in any process. ``progress`` is told the layer being made
    (``runtime``, ``dependencies``, ``code``) or fetched (``pull``), and how many of how many bytes are
    done; nothing is told of a layer that is reused.

    Raises:
        BadInput: the base is not known.
        ImageError: the base cannot be had, or is for another Python or platform than the capture.
        RequirementError: a package is missing, or its files are not known.
        ImageError: a data file has a path that cannot be.
        StateError: the layout cannot be written: no space, no permission.
    """
    began = time.perf_counter()
    base = find_base(spec.base, layout, python=capture.python, settings=settings, progress=progress)
    base.check(capture.python)
    plan = recipe.plan(spec, capture, base.labels)
    needed = dependencies.plan(plan.requirements, base, capture.python)

    maker = _Maker(layout, progress)
    image = base.image
    built = [BuiltLayer(x.descriptor.digest, x.descriptor.size, True, x.what) for x in image.layers]
    layer, reused = maker.kept(parts.RUNTIME, parts.runtime_key(), parts.runtime_entries)
    made = [(layer, reused, "")]
    taken: tuple[Package, ...] = ()
    if needed:
        layer, reused = maker.kept(
            parts.DEPENDENCIES, needed.key, lambda: dependencies.entries(needed, progress)
        )
        taken = _packages(needed, layer)
        # What came, not what was asked for: the same packages make the same image.
        made.append((layer, reused, ", ".join(f"{each} ({each.origin})" for each in taken)))
    layer, reused = maker.small(parts.CODE, plan.code)
    made.append((layer, reused, capture.handler))

    for layer, reused, comment in made:
        image = image.append(layer, created_by=f"nbfn: {layer.what}", comment=comment)
        built.append(BuiltLayer(layer.descriptor.digest, layer.descriptor.size, reused, layer.what))
    ref = layout.put(plan.finish(image), plan.repository)
    return Built(ref, tuple(built), taken, (time.perf_counter() - began) * 1000)


def _packages(plan: dependencies.Plan, layer: Layer) -> tuple[Package, ...]:
    """What is in the dependency layer, and where it was taken from."""
    if not (plan.exact or plan.open):
        return plan.installed
    known = {package.key: package for package in plan.installed}
    for found in packages_in(layer):
        package = Package(found.name, found.version, "", layer.path, origin="wheel")
        known.setdefault(package.key, package)
    return tuple(known[key] for key in sorted(known))


class _Maker:
    """Makes layers in one layout, telling one listener."""

    def __init__(self, layout: Layout, progress: Progress | None) -> None:
        self._layout = layout
        self._progress = progress

    def kept(
        self, what: str, key: str, entries: Callable[[], AbstractContextManager[list[Entry]]]
    ) -> tuple[Layer, bool]:
        """The layer that was made for ``key``, or a new one of ``entries()``; and whether it was here."""
        known = self._layout.recall(key)
        if known is not None:
            return self._layer(what, known.digest, known.size), True
        with entries() as files:
            layer = self._write(what, files)
        self._layout.remember(key, layer.descriptor)
        return layer, False

    def small(self, what: str, entries: tuple[Entry, ...]) -> tuple[Layer, bool]:
        """The layer of ``entries``, which are in memory; and whether it was here."""
        digest, size = layers.measure(entries)
        if self._layout.use(digest, size):
            return self._layer(what, digest, size), True
        return self._write(what, list(entries)), False

    def _write(self, what: str, entries: list[Entry]) -> Layer:
        total = sum(entry.size for entry in entries)
        step = self._teller(what, total)

        def fill(sink: Sink) -> None:
            layers.write_tar(entries, sink.write, progress=step)

        digest, size = self._layout.add(fill, f"the {what} layer", total)
        return self._layer(what, digest, size)

    def _teller(self, what: str, total: int) -> Callable[[int], None] | None:
        progress = self._progress
        if progress is None:
            return None
        done = told = 0

        def step(size: int) -> None:
            nonlocal done, told
            done = min(done + size, total)
            if done - told >= total / _STEPS or done == total:
                told = done
                progress(what, done, total)

        progress(what, 0, total)
        return step

    def _layer(self, what: str, digest: str, size: int) -> Layer:
        # An uncompressed tar is its own diff_id.
        descriptor = Descriptor(LAYER_TYPE, digest, size, {LAYER_KEY: what})
        return Layer(descriptor, digest, self._layout.blob(digest))

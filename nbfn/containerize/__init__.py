"""CAPTURE → IMAGE: deterministic layers, an OCI image, and the layout that keeps them."""

from __future__ import annotations

from nbfn.containerize.build import Built, BuiltLayer, build
from nbfn.containerize.describe import Description, describe
from nbfn.containerize.host import fits
from nbfn.containerize.image import Image, Layer
from nbfn.containerize.layout import Layout
from nbfn.containerize.packages import Package
from nbfn.containerize.unpack import unpack
from nbfn.containerize.validate import validate

__all__ = [
    "Built",
    "BuiltLayer",
    "Description",
    "Image",
    "Layer",
    "Layout",
    "Package",
    "build",
    "describe",
    "fits",
    "unpack",
    "validate",
]

"""CAPTURE → IMAGE: deterministic layers, an OCI image, and the layout that keeps them."""

from __future__ import annotations

from nbfn.containerize.bases import find_base
from nbfn.containerize.build import Built, BuiltLayer, build
from nbfn.containerize.changes import Changes, changes
from nbfn.containerize.compress import compressed
from nbfn.containerize.describe import Description, describe
from nbfn.containerize.host import fits
from nbfn.containerize.image import Image, Layer
from nbfn.containerize.layout import Layout
from nbfn.containerize.manage import (
    Listed,
    Pruned,
    drop_partials,
    find,
    given_name,
    listed,
    prune,
    tag,
    untag,
    verify,
)
from nbfn.containerize.packages import Package
from nbfn.containerize.publish import publish
from nbfn.containerize.requirements import read_requirements
from nbfn.containerize.unpack import sweep_unpacked, unpack
from nbfn.containerize.validate import validate

__all__ = [
    "Built",
    "BuiltLayer",
    "Changes",
    "Description",
    "Image",
    "Layer",
    "Layout",
    "Listed",
    "Package",
    "Pruned",
    "build",
    "changes",
    "compressed",
    "describe",
    "drop_partials",
    "find",
    "find_base",
    "fits",
    "given_name",
    "listed",
    "prune",
    "publish",
    "read_requirements",
    "sweep_unpacked",
    "tag",
    "unpack",
    "untag",
    "validate",
    "verify",
]

"""Functions that the tests deploy, as captures and as images."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from nbfn.containerize import Layout, build, host
from nbfn.invoke import CallContext, Caller
from nbfn.spec import Capture, FunctionSpec, ImageRef, Limits, SourceSpan

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.deploy.oci import OciTarget
    from nbfn.spec import CallResult, Deployment
    from tests.oci.server import Cloud

IMAGE = ImageRef("iad.ocir.io/ns/greet", "sha256:" + "a" * 64, "0.0.1")
PRINT = "sha256:" + "1" * 64
"""The fingerprint of what was captured."""
SPEC = FunctionSpec("greet", "app01", Limits(256, 30, 30), {"MODE": "fast"})
REGISTRY = "iad.ocir.io/ns/greet"
GREET = """
    import os
    import sys
    import time

    def greet(name=None, **more):
        print("called for", name)
        if name == "raise":
            raise ValueError("no such name")
        if name == "die":
            os._exit(3)
        if name == "sleep":
            time.sleep(60)
        if name == "set":
            return {1, 2}
        return f"Hello, {name}! {os.environ['MODE']}"
"""


def captured(source: str = GREET, **more: object) -> Capture:
    made = Capture(handler="greet", style="values", source=textwrap.dedent(source), python=host.python())
    return replace(made, **more)  # type: ignore[arg-type]


def imaged(cloud: Cloud, folder: Path, capture: Capture, spec: FunctionSpec = SPEC) -> ImageRef:
    """Build it where the server finds it, under a name of OCI's registry."""
    if folder not in cloud.fleet.layouts:
        cloud.fleet.layouts.append(folder)
    built = build(spec, capture, Layout(folder)).image
    return replace(built, repository=REGISTRY, tag="0.0.1")


def context_of(capture: Capture) -> CallContext:
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(capture.source, "cell", "exec"), namespace)
    lines = capture.source.count("\n") + 1
    spans = (SourceSpan(1, lines, "cell", 1),)
    return CallContext(namespace, frozenset(namespace), capture.source, spans)


def call(target: OciTarget, deployment: Deployment, capture: Capture, *args: object) -> CallResult:
    return Caller(target.client, explain=target.explain).call(deployment, args, {}, context_of(capture))

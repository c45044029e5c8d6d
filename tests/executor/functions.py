"""Real images of small functions, and deploying them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from nbfn.containerize import Layout, build
from nbfn.spec import Capture, FunctionSpec, ImageRef, PythonVersion

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


def image(state: Path, source: str, handler: str = "f", base: str = "") -> ImageRef:
    """An image of ``source`` in the layout of ``state``, on this machine's Python or on ``base``."""
    capture = Capture(handler, "values", source, PythonVersion(*sys.version_info[:2]))
    spec = FunctionSpec(handler, "shop", base=base) if base else FunctionSpec(handler, "shop")
    return build(spec, capture, Layout(state / "images")).image


def deploy(client: httpx.Client, ref: ImageRef, name: str = "f", **more: object) -> str:
    """The id of a function of that image, made or changed."""
    apps = client.get("/v2/apps", params={"name": "shop"}).json()["items"]
    app_id = (apps[0] if apps else client.post("/v2/apps", json={"name": "shop"}).json())["id"]
    found = client.get("/v2/fns", params={"app_id": app_id, "name": name}).json()["items"]
    document = {"name": name, "app_id": app_id, "image": str(ref), **more}
    if found:
        response = client.put(f"/v2/fns/{found[0]['id']}", json=document)
    else:
        response = client.post("/v2/fns", json=document)
    response.raise_for_status()
    return str(response.json()["id"])

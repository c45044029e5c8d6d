"""Images of functions that were removed: their names go at once, they themselves after a while."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Layout, validate
from nbfn.executor import assembly
from nbfn.executor.images import KEPT_S, Images
from nbfn.spec import ImageRef
from tests.executor import functions

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from nbfn.config import Settings
    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


def age(layout: Layout, *, by: float = KEPT_S + 60) -> None:
    """As if no build had been near any of it for so long."""
    then = time.time() - by
    for path in layout.path.rglob("blobs/*/*"):
        os.utime(path, (then, then))


def built(settings: Settings, name: str, number: int) -> ImageRef:
    """A function's image, named as a build for application ``shop`` names it."""
    layout = Layout(settings.images)
    image = layout.get(functions.image(settings.state, f"def f():\n    return {number}\n"))
    layout.remove("nbfn.local/shop/f")  # under which that has built it
    return layout.put(image, f"nbfn.local/shop/{name}")


def here(layout: Layout) -> set[str]:
    return set(layout.manifests())


async def test_a_removed_functions_image_goes_and_others_stay(executor: Executor, settings: Settings) -> None:
    layout = Layout(settings.images)
    stays, goes, named = built(settings, "stays", 1), built(settings, "goes", 2), built(settings, "goes", 3)
    layout.put(layout.get(named), "team/mine", "1")
    async with executor() as running:
        await running.deploy("stays", image=str(stays))
        fn_id = await running.deploy("goes", image=str(goes))
        await running.client.put(f"/v2/fns/{fn_id}", json={"image": str(named)})
        age(layout)
        await running.parts.catalog.sweep_images()
        assert {stays.digest, goes.digest, named.digest} <= here(layout), "revisions are gone back to"

        assert (await running.client.delete(f"/v2/fns/{fn_id}")).status_code == 204
        names = set(layout.refs())
        assert "nbfn.local/shop/goes:latest" not in names
        assert {"nbfn.local/shop/stays:latest", "team/mine:1"} <= names
        await running.parts.catalog.sweep_images()
        assert goes.digest not in here(layout)
        assert {stays.digest, named.digest} <= here(layout)
        for ref in (stays, named):
            assert validate(layout.get(ImageRef("", digest=ref.digest))) == []

        (app,) = await running.items("/v2/apps")
        assert (await running.client.delete(f"/v2/apps/{app['id']}")).status_code == 204
        assert "nbfn.local/shop/stays:latest" not in layout.refs()


async def test_what_a_build_used_lately_stays_and_is_used_again(
    executor: Executor, settings: Settings
) -> None:
    layout = Layout(settings.images)
    ref = built(settings, "goes", 1)
    async with executor() as running:
        fn_id = await running.deploy("goes", image=str(ref))
        await running.client.delete(f"/v2/fns/{fn_id}")
        age(layout, by=KEPT_S - 3600)
        await running.parts.catalog.sweep_images()
        assert ref.digest in here(layout)
        age(layout)
        assert built(settings, "goes", 1) == ref  # it is all there, and new again
        layout.remove("nbfn.local/shop/goes")
        await running.parts.catalog.sweep_images()
        assert validate(layout.get(ImageRef("", digest=ref.digest))) == []


async def test_an_executor_sweeps_by_itself(
    executor: Executor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_FIRST_SWEEP_S", 0.0)
    monkeypatch.setattr(assembly, "_SWEEP_S", 0.01)
    layout = Layout(settings.images)
    ref = built(settings, "f", 1)
    async with executor() as running:
        fn_id = await running.deploy("f", image=str(ref))
        await running.client.delete(f"/v2/fns/{fn_id}")
        age(layout)
        while ref.digest in here(layout):
            await running.items("/v2/apps")


async def test_a_damaged_store_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    ref = built(settings, "f", 1)
    layout = Layout(settings.images)
    age(layout)
    (layout.path / "index.json").write_text("nothing")
    images = Images(settings.images)
    images.sweep([])
    images.function_removed("shop", "f")
    assert here(layout) == {ref.digest}
    assert "images that nothing needs stay: " in caplog.text
    assert "the images of shop/f keep their names: " in caplog.text
    Images(tmp_path / "none").sweep([("not//an@image", ""), ("it:1", "")])
    assert not (tmp_path / "none").exists()

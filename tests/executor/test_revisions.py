"""Revisions of a function: what is kept of them, and going back."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize import Layout, prune
from nbfn.drivers.base import StartFailed
from nbfn.drivers.fake import Script
from nbfn.executor import revisions, schema
from nbfn.executor.objects import App, Fn
from nbfn.executor.revisions import Revision, back_to, differences, documents
from nbfn.executor.store import Store
from tests.executor import functions
from tests.executor.test_api import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.spec import ImageRef
    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

KEY = "NBFN_KEY"


def _fn(**more: object) -> Fn:
    return Fn("f", "greet", "a", **{"image": "it:1", **more})  # type: ignore[arg-type]


# What they are


def test_what_runs_differently_is_named() -> None:
    old = _fn(config={"A": "1", "B": "1", KEY: "k1"})
    new = _fn(image="it:2", timeout=9, config={"A": "2", "C": "1", KEY: "k2"}, annotations={"x": 1})
    assert differences(old, new) == ["image", "timeout", "config.A", "config.B", "config.C"]
    assert differences(old, old) == []


fns = st.builds(
    _fn,
    image=st.sampled_from(["it:1", "it:2", "not//an@image"]),
    memory=st.sampled_from([128, 256]),
    config=st.dictionaries(st.sampled_from(["A", "B", KEY]), st.sampled_from(["1", "2"])),
    annotations=st.dictionaries(st.sampled_from(["x", "nbfn.org/fingerprint"]), st.integers()),
)


@given(fns, fns, st.sampled_from(["", "sha256:" + "1" * 64]))
def test_going_back_is_done_once_and_keeps_the_key(old: Fn, now: Fn, digest: str) -> None:
    kept = Revision(1, old, digest)
    back = back_to(kept, now, "later")
    assert back.config.get(KEY) == now.config.get(KEY)
    assert back.annotations.get("x") == now.annotations.get("x")
    assert back.annotations.get("nbfn.org/fingerprint") == old.annotations.get("nbfn.org/fingerprint")
    assert set(differences(old, back)) <= {"image"}
    assert back_to(kept, back, "even later") is back


def test_revisions_are_told_newest_first_with_what_changed_and_no_values() -> None:
    kept = [
        Revision(3, _fn(config={"A": "hidden"}), "sha256:2", restores=1),
        Revision(2, _fn(memory=256), "sha256:2"),
        Revision(1, _fn(), "sha256:1"),
    ]
    told = documents(kept)
    assert [each["number"] for each in told] == [3, 2, 1]
    assert [each["changed"] for each in told] == [["memory", "config.A"], ["image", "memory"], []]
    assert [each["current"] for each in told] == [True, False, False]
    assert "hidden" not in str(told)


def test_a_file_without_revisions_gets_the_first_of_each_function(state: Path) -> None:
    path = state / "nbfn.db"
    db = sqlite3.connect(path)
    db.executescript(f"BEGIN; {schema.STEPS[0]} PRAGMA user_version = 1; COMMIT;")
    digest = "sha256:" + "a" * 64
    db.execute('INSERT INTO apps VALUES (\'a\', \'shop\', \'{"id": "a", "name": "shop"}\')')
    for fn_id, image in (("f", f"it:1@{digest}"), ("g", "it:2")):
        body = f'{{"id": "{fn_id}", "name": "{fn_id}", "app_id": "a", "image": "{image}"}}'
        db.execute("INSERT INTO fns VALUES (?, 'a', ?, ?)", (fn_id, fn_id, body))
    db.commit()
    db.close()
    store = Store(path)
    assert [(each.number, each.digest) for each in store.revisions("f")] == [(1, digest)]
    assert [(each.number, each.digest) for each in store.revisions("g")] == [(1, "")]
    store.close()


def test_only_the_last_ones_are_kept(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "KEPT", 3)
    store = Store(state / "nbfn.db")
    store.add_app(App("a", "shop"))
    store.add_fn(_fn(), "")
    for number in range(2, 7):
        store.change_fn("f", lambda current, to=number: Revision(0, _fn(timeout=to), current.digest))
    assert [each.number for each in store.revisions("f")] == [6, 5, 4]
    store.remove_fn("f")
    assert store.revisions("f") == []
    store.close()


# Over HTTP


@pytest.mark.anyio
async def test_updates_are_revisions_and_any_can_be_gone_back_to(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy(config={"A": "1"})
        path, own = f"/v2/fns/{fn_id}", f"/nbfn/v1/fns/{fn_id}"
        for change in ({"memory": 256}, {"annotations": {"x": 1}}, {"config": {"A": "2", "B": "1"}}, {}):
            assert (await running.client.put(path, json=change)).status_code == 200
        items = await running.items(f"{own}/revisions")
        assert [(each["number"], each["changed"]) for each in items] == [
            (3, ["config.A", "config.B"]),
            (2, ["memory"]),
            (1, []),
        ]
        await running.invoke(fn_id)
        now = await running.post(f"{own}/rollback", {"revision": 1})
        assert (now["number"], now["restores"], now["memory"], now["current"]) == (4, 1, 128, True)
        fn = (await running.client.get(path)).json()
        assert (fn["memory"], fn["config"], fn["annotations"]["x"]) == (128, {"A": "1"}, 1)
        assert running.kinds().count("function.updated") == 4
        cold = await running.invoke(fn_id)
        assert cold.headers["nbfn-cold-reason"] == "new-revision"
        assert (await running.post(f"{own}/rollback", {"revision": 1}))["number"] == 4, "nothing to do"
        assert (await running.post(f"{own}/rollback", {"revision": 4}))["number"] == 4
        assert (await running.post(f"{own}/rollback", {"revision": 3}))["number"] == 5
        assert await refused(running, "POST", f"{own}/rollback", {"revision": 9}) == (
            404,
            "Revision not found: 9 is none of 1, 2, 3, 4, 5",
        )
        for wrong in ({}, {"revision": 0}, {"revision": "1"}):
            assert (await running.client.post(f"{own}/rollback", json=wrong)).status_code == 400
        assert (await running.client.post(f"{own}/rollback")).json() == {
            "message": 'Invalid JSON: send {"revision": NUMBER}'
        }
        for nowhere in ("/nbfn/v1/fns/no/revisions", "/nbfn/v1/fns/no/rollback"):
            method = "GET" if nowhere.endswith("revisions") else "POST"
            assert await refused(running, method, nowhere, {"revision": 1}) == (404, "Fn not found")


@pytest.mark.anyio
async def test_a_tag_that_means_another_image_is_another_revision(
    executor: Executor, settings: Settings
) -> None:
    layout = Layout(settings.images)
    refs = [functions.image(settings.state, f"def f():\n    return {number}\n") for number in range(2)]
    name = "there/greet:1"

    def mean(number: int) -> None:
        layout.put(layout.get(refs[number]), "there/greet", "1")

    gone: set[str] = set()

    async def prepare(ref: ImageRef) -> None:
        if ref.digest in gone:
            raise StartFailed("image", f"there is no image {ref}")

    async with executor(Script(prepare=prepare)) as running:
        mean(0)
        fn_id = await running.deploy(image=name)
        mean(1)
        await running.client.put(f"/v2/fns/{fn_id}", json={"memory": 256})
        path = f"/nbfn/v1/fns/{fn_id}/revisions"
        digests = [each["digest"] for each in await running.items(path)]
        assert digests == [refs[0].digest] * 2, "an update of something else leaves the image alone"
        put = await running.client.put(f"/v2/fns/{fn_id}", json={"image": name})
        assert put.json()["image"] == name
        digests = [each["digest"] for each in await running.items(path)]
        assert digests == [refs[1].digest, refs[0].digest, refs[0].digest]
        now = await running.post(f"/nbfn/v1/fns/{fn_id}/rollback", {"revision": 2})
        assert now["image"] == f"{name}@{refs[0].digest}"
        # What any revision needs is told, so that it is kept.
        images = await running.items("/nbfn/v1/images")
        digests = [each["digest"] for each in images]
        assert {each.digest for each in refs} <= set(digests)
        for named in list(layout.refs()):
            layout.remove(named)
        prune(layout, digests, grace_s=0)
        assert (await running.post(f"/nbfn/v1/fns/{fn_id}/rollback", {"revision": 3}))["number"] == 5
        gone.add(refs[0].digest)
        status, said = await refused(running, "POST", f"/nbfn/v1/fns/{fn_id}/rollback", {"revision": 1})
        assert status == 409
        assert said.startswith(f"revision 1 cannot be gone back to: there is no image {name}@sha256:")
        assert (await running.items(path))[0]["number"] == 5


@pytest.mark.anyio
async def test_a_restart_runs_the_image_that_a_name_meant_when_it_was_deployed(
    executor: Executor, settings: Settings
) -> None:
    ref = functions.image(settings.state, "def f():\n    return 1\n")
    layout = Layout(settings.images)
    layout.put(layout.get(ref), "there/greet", "1")
    async with executor() as running:
        fn_id = await running.deploy(image="there/greet:1")
    async with executor() as running:
        revision = running.parts.pool.revision(fn_id)
        assert revision is not None
        assert str(revision.image) == f"there/greet:1@{ref.digest}"

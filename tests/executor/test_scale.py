"""Minimum and maximum instances of a function, as its annotations say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from nbfn.drivers.fake import FakeAnswer, FakeCall, Script
from nbfn.scale import MAX_ANNOTATION, MIN_ANNOTATION, Scale

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.executor.conftest import Running

    Executor = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.anyio


async def test_a_minimum_is_there_before_the_first_call_which_is_warm(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy(annotations={MIN_ANNOTATION: 2})
        await running.happened("instance.idle", 2)
        starts = [e.data for e in running.parts.events.after(0) if e.kind == "instance.starting"]
        assert starts == [{"reason": "minimum"}] * 2
        answer = await running.invoke(fn_id)
        assert answer.headers["nbfn-start"] == "warm"
        assert len(await running.items(f"/nbfn/v1/fns/{fn_id}/instances")) == 2


async def test_no_more_instances_than_the_maximum_run_however_many_call(executor: Executor) -> None:
    busy, most = 0, 0

    async def answer(_: FakeCall) -> FakeAnswer:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return FakeAnswer(b"done")

    async with executor(Script(answer=answer)) as running:
        fn_id = await running.deploy(annotations={MAX_ANNOTATION: 2})
        answers = await asyncio.gather(*(running.invoke(fn_id) for _ in range(12)))
        assert {each.status_code for each in answers} == {200}
        assert running.kinds().count("instance.starting") <= 2
        assert most <= 2


async def test_the_maximum_may_change_while_instances_run(executor: Executor) -> None:
    async with executor() as running:
        fn_id = await running.deploy(annotations={MIN_ANNOTATION: 2})
        await running.happened("instance.idle", 2)
        changed = {"annotations": {MIN_ANNOTATION: "", MAX_ANNOTATION: 1}}
        assert (await running.client.put(f"/v2/fns/{fn_id}", json=changed)).status_code == 200
        await running.happened("instance.stopped")
        whys = [e.data for e in running.parts.events.after(0) if e.kind == "instance.stopping"]
        assert whys == [{"why": "scaled-in"}]
        assert (await running.invoke(fn_id)).headers["nbfn-start"] == "warm"


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        (
            {MAX_ANNOTATION: "many"},
            "annotation nbfn.org/max-instances is 'many': use a whole number from 1 to 1000",
        ),
        ({MAX_ANNOTATION: 0}, "annotation nbfn.org/max-instances is 0: use a whole number from 1 to 1000"),
        (
            {MIN_ANNOTATION: True},
            "annotation nbfn.org/min-instances is True: use a whole number from 0 to 100",
        ),
        (
            {MIN_ANNOTATION: 3, MAX_ANNOTATION: 2},
            (
                "annotation nbfn.org/min-instances is 3, max-instances 2: "
                "the minimum may not be above the maximum"
            ),
        ),
    ],
)
async def test_numbers_that_cannot_be_are_refused(
    executor: Executor, annotations: dict[str, Any], message: str
) -> None:
    async with executor() as running:
        app = await running.post("/v2/apps", {"name": "shop"})
        document = {"name": "f", "app_id": app["id"], "image": "it:1"}
        refused = await running.client.post("/v2/fns", json={**document, "annotations": annotations})
        assert (refused.status_code, refused.json()["message"]) == (400, message)
        made = await running.post("/v2/fns", document)
        refused = await running.client.put(f"/v2/fns/{made['id']}", json={"annotations": annotations})
        assert (refused.status_code, refused.json()["message"]) == (400, message)


@pytest.mark.parametrize(
    ("scale", "shown"),
    [(Scale(), "any number"), (Scale(1), "at least 1"), (Scale(0, 5), "at most 5"), (Scale(1, 5), "1 to 5")],
)
def test_a_scale_travels_in_annotations_and_reads_well(scale: Scale, shown: str) -> None:
    assert Scale.of({"other": 1, **scale.annotations()}) == scale
    assert str(scale) == shown

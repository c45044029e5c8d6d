"""The fake keeps the contract of drivers, and does what its script says."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers import FakeDriver, Guarded
from nbfn.drivers.base import StartFailed
from nbfn.drivers.fake import FakeAnswer, FakeCall, FakeInstance, Script
from nbfn.spec import ImageRef
from tests.drivers.conformance import DriverConformance
from tests.drivers.rig import Output, call, make_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nbfn.config import Settings

pytestmark = pytest.mark.anyio


async def act(asked: FakeCall) -> FakeAnswer:
    """As ``actor.py`` does, as far as there is no process."""
    wanted = json.loads(asked.body)
    instance, args = asked.instance, wanted["args"]
    value = None
    if wanted["act"] == "echo":
        value = args[0]
    elif wanted["act"] == "environment":
        value = instance.env
    elif wanted["act"] == "say":
        instance.write(*args)
    elif wanted["act"] == "leave":
        instance.end(*args)
    elif wanted["act"] == "be_killed":
        instance.end(signal_number=args[0])
    return FakeAnswer(json.dumps(value).encode())


async def come_up(instance: FakeInstance) -> None:
    mode = instance.env.get("MODE")
    if mode == "exit":
        instance.write("no use\n", "stderr")
        instance.end(3)
    elif mode == "killed":
        instance.end(signal_number=signal.SIGSEGV)
    elif mode == "never":
        instance.write("still thinking\n")
        await asyncio.Event().wait()


def on_terminate(instance: FakeInstance) -> None:
    mode = instance.env.get("MODE")
    if mode == "polite":
        instance.write("goodbye\n")
        instance.end()
    elif mode != "stubborn":
        instance.end(signal_number=signal.SIGTERM)


@pytest.fixture
def image() -> ImageRef:
    return ImageRef("nbfn.local/test/fake", "sha256:" + "0" * 64)


@pytest.fixture
async def driver(settings: Settings) -> AsyncIterator[Guarded]:
    driver = Guarded(FakeDriver(settings.run, Script(act, come_up, on_terminate=on_terminate)))
    yield driver
    await driver.close()


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Guarded]:
    driver = Guarded(FakeDriver(settings.run, Script(act, come_up, start_timeout_s=2.0)))
    yield driver
    await driver.close()


class TestFake(DriverConformance):
    pass


async def test_by_default_it_echoes_and_tells_as_the_runtime_does(settings: Settings) -> None:
    driver = FakeDriver(settings.run)
    instance = await driver.start(make_request(ImageRef("x")), Output())
    for served in (0, 1):
        reader, writer = await asyncio.open_unix_connection(instance.socket)
        writer.write(
            b"POST /call HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert await reader.readexactly(5) == b"abcde"
        assert f"Nbfn-Calls-Served: {served}\r\n" in head
        assert f"Nbfn-Instance-Id: {instance.id}\r\n" in head
        assert "Content-Type: text/plain\r\n" in head
        writer.close()
    assert instance.calls == 2
    await driver.close()


async def test_a_script_may_refuse_a_start(settings: Settings) -> None:
    async def refuse(_: FakeInstance) -> None:
        raise StartFailed("image", "no such image")

    driver = FakeDriver(settings.run, Script(start=refuse))
    with pytest.raises(StartFailed, match="no such image"):
        await driver.start(make_request(ImageRef("x")), Output())
    assert list(settings.run.iterdir()) == []


async def test_a_start_does_not_wait_for_ever_for_its_image_which_is_fetched_on(settings: Settings) -> None:
    here, asked = asyncio.Event(), 0

    async def prepare(_: ImageRef) -> None:
        nonlocal asked
        asked += 1
        await here.wait()

    driver = Guarded(FakeDriver(settings.run, Script(prepare=prepare)), image_s=0.01)
    request = make_request(ImageRef("a", tag="1"))
    for _ in range(2):
        with pytest.raises(StartFailed, match=r"^a:1 was not here after 0\.01 s\n.*call again") as caught:
            await driver.start(request, Output())
        assert caught.value.stage == "late"
    here.set()
    await driver.prepare(request.image)
    assert asked == 1
    await driver.close()


async def test_what_an_image_itself_calls_a_timeout_is_no_limit_of_ours(settings: Settings) -> None:
    async def prepare(_: ImageRef) -> None:
        raise TimeoutError("the registry's")

    driver = Guarded(FakeDriver(settings.run, Script(prepare=prepare)))
    with pytest.raises(TimeoutError, match="the registry's"):
        await driver.start(make_request(ImageRef("a", tag="1")), Output())
    await driver.close()


async def test_it_can_run_out_of_memory(settings: Settings) -> None:
    driver = FakeDriver(settings.run)
    instance = await driver.start(make_request(ImageRef("x"), memory_mb=64), Output())
    instance.end(out_of_memory=True)
    end = await instance.wait()
    assert end.out_of_memory
    assert end.cause == "out of memory: more than 64 MB"


async def test_two_driver_instances_share_nothing(driver: Guarded, image: ImageRef) -> None:
    first = await driver.start(make_request(image), Output())
    second = await driver.start(make_request(image), Output())
    await first.stop()
    assert await call(second, "echo", 1) == 1
    await second.stop()

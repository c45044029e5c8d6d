"""What every driver keeps: subclass :class:`DriverConformance`, give it ``driver`` and ``image``."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from nbfn.drivers.base import StartFailed
from tests.drivers.rig import ImageRef, Output, call, call_that_ends_it, make_request

if TYPE_CHECKING:
    from nbfn.drivers import Guarded


class DriverConformance:
    """Fixtures to give: ``driver`` (guarded; short start timeout), ``image`` (runs ``actor.py``)."""

    async def test_an_instance_that_is_started_answers(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        assert await call(instance, "echo", {"a": [1, "ü"]}) == {"a": [1, "ü"]}
        assert await call(instance, "echo", 2) == 2, "a connection may be dropped and dialled again"
        assert instance.socket.name == "lsnr.sock"
        await instance.stop()

    async def test_prepare_may_be_called_twice_and_at_once(self, driver: Guarded, image: ImageRef) -> None:
        await asyncio.gather(driver.prepare(image), driver.prepare(image))
        await driver.prepare(image)

    async def test_it_gets_the_environment_it_was_given(self, driver: Guarded, image: ImageRef) -> None:
        request = make_request(image, GREETING="hello=ü", FN_MEMORY="256")
        instance = await driver.start(request, Output())
        env = await call(instance, "environment")
        assert isinstance(env, dict)
        assert (env["GREETING"], env["FN_MEMORY"]) == ("hello=ü", "256")
        assert env["NBFN_INSTANCE_ID"] == request.instance_id == instance.id
        assert env["FN_LISTENER"].startswith("unix:/")
        assert env["FN_LISTENER"].endswith("/lsnr.sock")
        await instance.stop()

    async def test_output_arrives_as_written(self, driver: Guarded, image: ImageRef) -> None:
        output = Output()
        instance = await driver.start(make_request(image), output)
        await call(instance, "say", "out\n")
        await call(instance, "say", "err ü\n", "stderr")
        await output.until("stdout", "out\n")
        await output.until("stderr", "err ü\n")
        await instance.stop()

    async def test_much_output_is_drained_and_complete_at_the_end(
        self, driver: Guarded, image: ImageRef
    ) -> None:
        output = Output()
        instance = await driver.start(make_request(image), output)
        await call(instance, "say", "x" * 300_000 + "\n")
        await instance.stop()
        await instance.wait()
        assert output.text("stdout") == "x" * 300_000 + "\n"

    async def test_a_callback_that_raises_harms_nobody(self, driver: Guarded, image: ImageRef) -> None:
        def burst(*_: object) -> None:
            raise RuntimeError("boom")

        instance = await driver.start(make_request(image), burst)
        await call(instance, "say", "out\n")
        assert await call(instance, "echo", 1) == 1
        await instance.stop()

    async def test_an_exit_code_is_named(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        await call_that_ends_it(instance, "leave", 3)
        end = await instance.wait()
        assert (end.code, end.signal, end.cause, end.out_of_memory) == (3, None, "exit code 3", False)
        assert await instance.stop() == end, "stopping what has ended says how it ended"

    @pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGTERM])
    async def test_a_signal_is_named(self, driver: Guarded, image: ImageRef, number: signal.Signals) -> None:
        instance = await driver.start(make_request(image), Output())
        await call_that_ends_it(instance, "be_killed", number)
        end = await instance.wait()
        assert (end.code, end.signal, end.cause) == (None, number, f"killed by {number.name}")

    async def test_stop_kills_at_once_without_grace(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image, MODE="polite"), Output())
        assert (await instance.stop()).signal == signal.SIGKILL
        with pytest.raises(OSError):
            await call(instance, "echo", 1)

    async def test_stop_with_grace_lets_it_end_by_itself(self, driver: Guarded, image: ImageRef) -> None:
        output = Output()
        instance = await driver.start(make_request(image, MODE="polite"), output)
        assert (await instance.stop(grace_s=60)).code == 0
        assert output.text("stdout") == "goodbye\n"

    async def test_sigterm_ends_what_does_not_care(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        assert (await instance.stop(grace_s=60)).signal == signal.SIGTERM

    async def test_stop_kills_what_outlasts_its_grace(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image, MODE="stubborn"), Output())
        assert (await instance.stop(grace_s=0.05)).signal == signal.SIGKILL

    async def test_stops_at_once_and_again_agree(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        waiter = asyncio.create_task(instance.wait())
        ends = await asyncio.gather(instance.stop(), instance.stop(), instance.stop(1))
        assert len({*ends, await waiter, await instance.stop(), await instance.wait()}) == 1

    async def test_an_impatient_stop_overtakes_a_patient_one(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image, MODE="stubborn"), Output())
        patient = asyncio.create_task(instance.stop(grace_s=3600))
        await asyncio.sleep(0)
        assert (await instance.stop()).signal == signal.SIGKILL
        assert (await patient).signal == signal.SIGKILL

    async def test_a_cancelled_stop_is_carried_out(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        stopping = asyncio.create_task(instance.stop())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait({stopping})
        assert (await instance.wait()).signal == signal.SIGKILL

    async def test_an_end_before_the_socket_fails_the_start(self, driver: Guarded, image: ImageRef) -> None:
        with pytest.raises(StartFailed, match="exit code 3: no use") as failed:
            await driver.start(make_request(image, MODE="exit"), Output())
        assert failed.value.stage == "init"
        assert failed.value.output == "no use\n"
        assert failed.value.exit
        assert failed.value.exit.code == 3

    async def test_a_signal_before_the_socket_is_named(self, driver: Guarded, image: ImageRef) -> None:
        with pytest.raises(StartFailed, match="killed by SIGSEGV") as failed:
            await driver.start(make_request(image, MODE="killed"), Output())
        assert failed.value.stage == "init"

    async def test_no_socket_in_time_fails_the_start(self, impatient: Guarded, image: ImageRef) -> None:
        output = Output()
        with pytest.raises(StartFailed, match=r"no socket after 2 s") as failed:
            await impatient.start(make_request(image, MODE="never"), output)
        assert failed.value.stage == "timeout"
        assert failed.value.output == "still thinking\n"
        assert not impatient.instances

    async def test_a_cancelled_start_leaves_nothing(self, driver: Guarded, image: ImageRef) -> None:
        output = Output()
        starting = asyncio.create_task(driver.start(make_request(image, MODE="never"), output))
        await output.until("stdout", "still thinking\n")
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not driver.instances
        assert await driver.sweep() == 0

    async def test_many_start_at_once(self, driver: Guarded, image: ImageRef) -> None:
        instances = await asyncio.gather(
            *(driver.start(make_request(image, WHO=str(n)), Output()) for n in range(4))
        )
        answers = await asyncio.gather(*(call(instance, "environment") for instance in instances))
        assert [env["WHO"] for env in answers if isinstance(env, dict)] == ["0", "1", "2", "3"]
        assert driver.instances == set(instances)
        await asyncio.gather(*(instance.stop() for instance in instances))
        assert not driver.instances

    async def test_usage_while_it_runs_and_after(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        usage = instance.usage()
        assert usage.memory_bytes > 0
        assert usage.processes >= 1
        assert usage.cpu_s >= 0
        await instance.stop()
        assert (instance.usage().memory_bytes, instance.usage().processes) == (0, 0)

    async def test_sweep_leaves_the_living_alone(self, driver: Guarded, image: ImageRef) -> None:
        instance = await driver.start(make_request(image), Output())
        assert await driver.sweep() == 0
        assert await call(instance, "echo", 1) == 1
        await instance.stop()
        assert await driver.sweep() == 0

    async def test_close_ends_everything_and_starts_nothing_more(
        self, driver: Guarded, image: ImageRef
    ) -> None:
        output = Output()
        instance = await driver.start(make_request(image), Output())
        starting = asyncio.create_task(driver.start(make_request(image, MODE="never"), output))
        await output.until("stdout", "still thinking\n")
        await driver.close()
        with pytest.raises(StartFailed, match="closed"):
            await starting
        assert (await instance.wait()).signal == signal.SIGKILL
        with pytest.raises(StartFailed, match="closed"):
            await driver.start(make_request(image), Output())
        await driver.close()

    async def test_isolation_says_what_it_has(self, driver: Guarded) -> None:
        assert driver.isolation.tier
        assert driver.name

"""The sandbox with real processes, at each tier: the contract, and what keeps instances apart."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.containerize import Layout
from nbfn.drivers import Guarded, SandboxDriver, make_driver
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox import interpreter
from nbfn.drivers.sandbox.confine import landlock, proctree
from tests.drivers.conformance import DriverConformance
from tests.drivers.rig import (
    HOST,
    ImageRef,
    Output,
    call,
    call_that_ends_it,
    ground_of,
    make_image,
    make_request,
    rights_of,
)
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nbfn.config import Settings

pytestmark = pytest.mark.anyio

TIERS = ("T0", "T1", "T2")


def marked(instance_id: str) -> list[int]:
    """Processes of this instance that are left, its supervisor included."""
    return [pid for pid, value in proctree.marked("NBFN_INSTANCE_ID").items() if value == instance_id]


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["0", "4"], ids=["process", "zygote"])
def zygotes(request: pytest.FixtureRequest) -> str:
    """How many zygotes there may be: without any, each instance is a new process."""
    return str(request.param)


@pytest.fixture
def settings(state: Path, tier: str, zygotes: str) -> Settings:
    chosen = {"NBFN_DRIVER": "sandbox", "NBFN_TIER": tier, "NBFN_ZYGOTES": zygotes}
    return config.load({"NBFN_STATE": str(state), **chosen})


@pytest.fixture
def image(settings: Settings) -> ImageRef:
    return make_image(settings.images)


@pytest.fixture
async def driver(settings: Settings, tier: str) -> AsyncIterator[Guarded]:
    driver = make_driver(settings)
    if driver.isolation.tier != tier:
        lacking(f"this machine does not allow {tier}: {driver.isolation.missing}")
    yield driver
    await driver.close()


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Guarded]:
    driver = Guarded(SandboxDriver(settings, start_timeout_s=2.0))
    yield driver
    await driver.close()


class TestSandbox(DriverConformance):
    pass


class TestSandboxOnUvloop(DriverConformance):
    """The executor runs on uvloop."""

    @pytest.fixture
    def anyio_backend(self) -> object:
        return "asyncio", {"use_uvloop": True}

    @pytest.fixture
    def tier(self) -> str:
        return "T2"

    @pytest.fixture
    def zygotes(self) -> str:
        return "4"


async def test_what_was_unpacked_of_images_that_are_gone_goes_with_the_next_start(state: Path) -> None:
    settings = config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "sandbox", "NBFN_ZYGOTES": "0"})
    gone = make_image(settings.images, {"function/gone.txt": b"gone"})
    stays = make_image(settings.images)
    driver = make_driver(settings)
    await driver.prepare(gone)
    await driver.prepare(stays)
    layers = ground_of(settings).layers
    assert len(list(layers.iterdir())) == 3  # the actor is in both
    Layout(settings.images).blob(gone.digest).unlink()
    await driver.sweep()
    assert len(list(layers.iterdir())) == 3, "not while it may be running"
    await driver.close()
    successor = make_driver(settings)
    await successor.sweep()
    assert len(list(layers.iterdir())) == 2
    assert not list(layers.rglob("gone.txt"))
    instance = await successor.start(make_request(stays), Output())
    await instance.stop()
    await successor.close()


async def test_its_environment_is_exactly_what_it_should_be(
    driver: Guarded,
    image: ImageRef,
    settings: Settings,
    tier: str,
    zygotes: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_EXECUTOR", "s")
    instance = await driver.start(make_request(image, GREETING="hello"), Output())
    env = await call(instance, "environment")
    assert isinstance(env, dict)
    assert env.pop("PATH").split(":")[0] == str(interpreter.base().bin)
    env.pop("LC_CTYPE", None)  # CPython's own coercion
    folder = ground_of(settings).run / instance.id
    expected = {"GREETING": "hello", "NBFN_INSTANCE_ID": instance.id}
    if tier == "T2":
        assert env == {
            **expected,
            "FN_LISTENER": "unix:/tmp/iofs/lsnr.sock",
            "HOME": "/tmp",
            "PYTHONPATH": "/opt/nbfn:/function:/python",
        }
    else:
        layers = ground_of(settings).layers
        runtime, function = env["PYTHONPATH"].split(":")
        assert Path(runtime).parents[2] == layers
        stores = [layers] if zygotes == "0" else list(ground_of(settings).zygotes.glob("*/code"))
        assert Path(function).parents[1] in stores
        assert Path(function).parent.name in {layer.name for layer in layers.iterdir()}
        assert env == {
            **expected,
            "FN_LISTENER": f"unix:{folder}/iofs/lsnr.sock",
            "HOME": f"{folder}/tmp",
            "TMPDIR": f"{folder}/tmp",
            "PYTHONPATH": f"{runtime}:{function}",
            "NBFN_FUNCTION_DIR": function,
        }
    await instance.stop()


async def test_it_inherits_no_descriptors(driver: Guarded, image: ImageRef, state: Path) -> None:
    with (state / "kept-open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        instance = await driver.start(make_request(image), Output())
        found = await call(instance, "descriptors")
    assert isinstance(found, dict)
    assert all("socket:" in path for path in found.values()), found
    assert len(found) == 2, "the listener and this call"
    await instance.stop()


async def test_it_has_no_rights_left(driver: Guarded, image: ImageRef, settings: Settings, tier: str) -> None:
    instance = await driver.start(make_request(image), Output())
    status = await call(instance, "status")
    assert isinstance(status, dict)
    rights = rights_of(settings)
    assert [status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Amb")] == [rights] * 4
    if os.geteuid() == 0:
        assert status["CapBnd"] == rights
    if tier != "T0":
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    if tier == "T2":
        assert (status["uid"], status["gid"], status["pid"]) == (1000, 1000, 2)
        assert status["cwd"] == "/function"
    # SIGPIPE and SIGXFSZ, which CPython ignores; 32 and 33 are the own ones of the C library.
    ignored = int(status["SigIgn"], 16) & ~(0b11 << 31)
    assert ignored in (0, 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert status["SigBlk"] == "0" * 16
    await instance.stop()


async def test_the_executors_files_are_out_of_reach(
    driver: Guarded, image: ImageRef, settings: Settings, tier: str
) -> None:
    if tier == "T0":
        pytest.skip("nothing hides files at T0")
    secret = settings.state / "token"
    secret.write_text("secret")
    instance = await driver.start(make_request(image), Output())
    assert await call(instance, "read", str(secret)) in ("PermissionError", "FileNotFoundError")
    assert await call(instance, "attempt", "listdir", str(settings.state)) != "[]"
    assert "Error" in str(await call(instance, "attempt", "listdir", str(settings.images)))
    assert "Error" in str(await call(instance, "read", f"/proc/{os.getpid()}/environ"))
    assert "Error" in str(await call(instance, "write", str(settings.state / "new")))
    await instance.stop()


async def test_its_own_files_are_there_and_read_only(
    driver: Guarded, image: ImageRef, settings: Settings, tier: str
) -> None:
    instance = await driver.start(make_request(image), Output())
    env = await call(instance, "environment")
    assert isinstance(env, dict)
    function = env.get("NBFN_FUNCTION_DIR", "/function")
    assert await call(instance, "read", f"{function}/note.txt") == "a note"
    if tier != "T0":
        assert await call(instance, "write", f"{function}/note.txt", "x") in ("PermissionError", "OSError")
        assert await call(instance, "write", "/usr/x", "x") in ("PermissionError", "OSError")
        assert await call(instance, "write", "/x", "x") in ("PermissionError", "OSError")
    await instance.stop()


async def test_instances_have_a_tmp_each(driver: Guarded, image: ImageRef, tier: str) -> None:
    first, second = await asyncio.gather(*(driver.start(make_request(image), Output()) for _ in range(2)))
    path = str((await call(first, "environment"))["HOME"]) + "/mine"  # type: ignore[index]
    assert await call(first, "write", path, "of the first") == "written"
    assert await call(first, "read", path) == "of the first"
    if tier != "T0":
        assert await call(second, "read", path) in ("FileNotFoundError", "PermissionError")
    await asyncio.gather(first.stop(), second.stop())


async def test_python3_is_the_machines_own_and_works(driver: Guarded, image: ImageRef) -> None:
    """Its standard library too, that of compiled modules with libraries included."""
    instance = await driver.start(make_request(image), Output())
    executable, _ = await call(instance, "find_program", "python3")  # type: ignore[misc]
    assert Path(executable).parent == interpreter.base().bin
    await instance.stop()


async def test_dangerous_calls_are_refused(driver: Guarded, image: ImageRef, tier: str) -> None:
    if tier == "T0":
        pytest.skip("there is no filter at T0")
    instance = await driver.start(make_request(image), Output())
    refused = "Operation not permitted"
    if os.uname().machine == "x86_64":
        new_user, ptrace, keyctl, mount = 0x10000000, 101, 250, 165
        assert await call(instance, "system_call", 272, new_user) == refused
        assert await call(instance, "system_call", 56, new_user | 17, 0) == refused
        for number in (ptrace, keyctl, mount):
            assert await call(instance, "system_call", number, 0, 0, 0, 0, 0) == refused
        assert await call(instance, "system_call", 435, 0, 0) == "Function not implemented"
    assert await call(instance, "fork_many", 1) == 1, "ordinary ones are not"
    await instance.stop()


async def test_it_cannot_signal_the_executor(driver: Guarded, image: ImageRef, tier: str) -> None:
    if tier == "T0" or (tier == "T1" and landlock.abi() < 6):
        pytest.skip("needs namespaces or Landlock 6")
    instance = await driver.start(make_request(image), Output())
    other = await asyncio.create_subprocess_exec("sleep", "300")
    assert "Error" in str(await call(instance, "kill_outside", other.pid))
    assert other.returncode is None
    other.terminate()
    assert await other.wait() == -signal.SIGTERM
    await instance.stop()


async def test_without_network_nothing_is_reached(driver: Guarded, image: ImageRef, tier: str) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with_network = await driver.start(make_request(image), Output())
    assert await call(with_network, "reach", "127.0.0.1", port) == "reached"
    await with_network.stop()
    if tier != "T0":
        without = await driver.start(make_request(image, network=False), Output())
        assert "Error" in str(await call(without, "reach", "127.0.0.1", port))
        await without.stop()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("shared", [False, True])
async def test_a_memory_hog_is_killed_and_named(driver: Guarded, image: ImageRef, shared: bool) -> None:
    instance = await driver.start(make_request(image, memory_mb=64), Output())
    await call_that_ends_it(instance, "hog", 300, shared)
    end = await instance.wait()
    assert end.out_of_memory
    assert end.cause == "out of memory: more than 64 MB"


async def test_a_huge_reservation_is_a_memory_error(driver: Guarded, image: ImageRef) -> None:
    instance = await driver.start(make_request(image, memory_mb=64), Output())
    assert await call(instance, "reserve", 4096) == "MemoryError"
    await instance.stop()


async def test_a_fork_bomb_is_contained(driver: Guarded, image: ImageRef, tier: str) -> None:
    request = make_request(image)
    instance = await driver.start(request, Output())
    try:
        forked = await call(instance, "fork_many", 400)
    except (ConnectionError, asyncio.IncompleteReadError):
        assert (await instance.wait()).cause == "too many processes"
    else:
        assert isinstance(forked, int)
        assert tier != "T2" or forked < 400
        await instance.stop()
    assert marked(request.instance_id) == []


async def test_daemons_die_with_their_instance(driver: Guarded, image: ImageRef) -> None:
    request = make_request(image)
    instance = await driver.start(request, Output())
    await call(instance, "leave_daemon")
    assert len(marked(request.instance_id)) >= 3
    await instance.stop()
    assert marked(request.instance_id) == []


async def test_daemons_die_when_the_function_ends_by_itself(driver: Guarded, image: ImageRef) -> None:
    request = make_request(image)
    instance = await driver.start(request, Output())
    await call(instance, "leave_daemon")
    await call_that_ends_it(instance, "leave", 3)
    assert (await instance.wait()).code == 3
    assert marked(request.instance_id) == []


async def test_daemons_die_when_the_start_fails(driver: Guarded, image: ImageRef, settings: Settings) -> None:
    request = make_request(image, MODE="daemon-then-exit")
    with pytest.raises(StartFailed, match="exit code 3"):
        await driver.start(request, Output())
    assert marked(request.instance_id) == []
    assert list(ground_of(settings).run.iterdir()) == []


async def test_killing_its_supervisor_helps_nobody(
    driver: Guarded, image: ImageRef, settings: Settings, tier: str, zygotes: str
) -> None:
    request = make_request(image)
    instance = await driver.start(request, Output())
    await call(instance, "leave_daemon")
    if tier == "T0" and (zygotes == "4" or os.geteuid() != 0):  # else that is root's
        await call_that_ends_it(instance, "kill_parent")
    else:
        supervisor = next(pid for pid in marked(request.instance_id) if os.getsid(pid) == pid)
        os.kill(min(marked(request.instance_id), key=lambda pid: (pid != supervisor, pid)), signal.SIGKILL)
    assert (await instance.wait()).signal == signal.SIGKILL
    assert marked(request.instance_id) == []
    assert list(ground_of(settings).run.iterdir()) == []


async def test_a_missing_module_is_told_with_its_name(driver: Guarded, image: ImageRef) -> None:
    with pytest.raises(StartFailed, match="exit code 1: ModuleNotFoundError: No module named 'a_mod"):
        await driver.start(make_request(image, MODE="missing-module"), Output())


async def test_a_socket_elsewhere_is_refused(
    driver: Guarded, image: ImageRef, settings: Settings, zygotes: str
) -> None:
    if zygotes != "0":
        pytest.skip("its socket is handed in")
    with pytest.raises(StartFailed, match="must be a relative link"):
        await driver.start(make_request(image, MODE="absolute-link"), Output())
    assert list(ground_of(settings).run.iterdir()) == []


async def test_a_program_that_is_missing_fails_the_start(driver: Guarded, settings: Settings) -> None:
    image = make_image(settings.images, entrypoint=("no-such-program",))
    with pytest.raises(StartFailed, match="cannot execute 'no-such-program': No such file") as failed:
        await driver.start(make_request(image), Output())
    assert failed.value.stage == "start"


async def test_images_that_cannot_run_here_say_why(driver: Guarded, settings: Settings, tier: str) -> None:
    cases = [
        (ImageRef("nbfn.local/test/none", "sha256:" + "0" * 64), "0" * 12),
        (make_image(settings.images, entrypoint=()), "nothing to run"),
        (make_image(settings.images, host="cpython-27"), f"needs this machine's cpython-27.*{HOST}"),
    ]
    if tier == "T2":
        cases.append((make_image(settings.images, {"usr/x": b""}), "holds /usr, which is already there"))
    else:
        cases.append((make_image(settings.images, host=""), f"takes T2; this machine allows {tier}"))
    for image, text in cases:
        with pytest.raises(StartFailed, match=text) as failed:
            await driver.start(make_request(image), Output())
        assert failed.value.stage == "image"
    assert not ground_of(settings).run.exists() or list(ground_of(settings).run.iterdir()) == []


@pytest.mark.parametrize("length", [60, 90])
async def test_a_long_state_path_still_has_room_for_sockets(
    state: Path, tier: str, zygotes: str, length: int
) -> None:
    folder = state / ("x" * (length - len(str(state))))
    settings = config.load({"NBFN_STATE": str(folder), "NBFN_TIER": tier, "NBFN_ZYGOTES": zygotes})
    driver = make_driver(settings)
    instance = await driver.start(make_request(make_image(settings.images)), Output())
    assert len(str(instance.socket.resolve())) <= 107
    assert await call(instance, "echo", 1) == 1
    await driver.close()
    assert not instance.socket.parent.exists()
    shutil.rmtree(settings.socket.parent)  # the executor's own, which is not below its state if that is long


PROBE_WITHOUT_NAMESPACES = """
from nbfn.drivers.sandbox import interpreter, probe
from nbfn.drivers.sandbox.confine import linux, seccomp
linux.no_new_privileges()
linux.install_filter(seccomp.program(linux.machine(), network=True))
found = probe.probe(interpreter.base(), "T2")
print(found.tier, *found.missing, sep="\\n")
"""


def test_where_namespaces_are_refused_it_falls_back_and_says_why() -> None:
    """As under Docker's profile; here under the sandbox's own filter, which refuses them too."""
    told = subprocess.run(
        [sys.executable, "-c", PROBE_WITHOUT_NAMESPACES], capture_output=True, text=True, check=True
    )
    tier, missing, *_ = told.stdout.splitlines()
    assert tier == "T1"
    assert missing.startswith("T2 (own user, ")
    assert missing.endswith("unshare: Operation not permitted")


def shell_and_its_libraries() -> dict[str, bytes | Path]:
    shell = Path("/bin/sh").resolve()
    told = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+) \(", told)
    return {"bin/sh": shell, **{path.lstrip("/"): Path(path) for path in libraries}}


async def test_an_image_with_a_root_of_its_own(state: Path) -> None:
    """Here one of a shell and its libraries; it starts, although it serves nothing."""
    settings = config.load({"NBFN_STATE": str(state)})
    driver = make_driver(settings)
    if driver.isolation.tier != "T2":
        lacking(f"a root of its own takes T2: {driver.isolation.missing}")
    image = make_image(
        settings.images,
        shell_and_its_libraries(),
        host="",
        entrypoint=("/bin/sh", "-c", "read line < /function/note.txt; echo $line; echo /*; pwd; exit 7"),
    )
    output = Output()
    with pytest.raises(StartFailed, match="exit code 7"):
        await driver.start(make_request(image), output)
    note, found, here = output.text("stdout").splitlines()
    assert (note, here) == ("a note", "/function")
    assert "/opt" in found
    assert "/usr" not in found
    assert await driver.sweep() == 0
    await driver.close()

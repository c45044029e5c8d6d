"""Containers of a real daemon: the contract, what limits them, what is left, and where images come from."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import pytest

from nbfn import config
from nbfn.containerize import Layout
from nbfn.containerize.image import digest_of
from nbfn.drivers import Guarded, make_driver
from nbfn.drivers.base import StartFailed
from nbfn.drivers.docker import DockerDriver
from nbfn.drivers.docker.engine import Engine
from nbfn.drivers.docker.images import Images
from nbfn.errors import ExecutorError
from nbfn.spec import ImageRef
from tests.drivers.conformance import DriverConformance
from tests.drivers.rig import Output, call, call_that_ends_it, make_image, make_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nbfn.config import Settings
    from nbfn.containerize import Image
    from nbfn.drivers.base import Instance
    from nbfn.drivers.docker.networks import Networks

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("docker", "base"),
    pytest.mark.usefixtures("_nothing_of_ours_stays_in_the_daemon"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout that the tests share, as they share what the daemon has of it."""
    return tmp_path_factory.mktemp("docker-images")


@pytest.fixture(scope="module")
def image(images: Path, debian: Image) -> ImageRef:
    """The actor on the base."""
    return make_image(images, host="", on=debian)


@pytest.fixture
def settings(state: Path, images: Path) -> Settings:
    (state / "images").symlink_to(images)
    return config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "docker"})


@pytest.fixture
async def driver(settings: Settings) -> AsyncIterator[Guarded]:
    driver = make_driver(settings)
    yield driver
    await driver.close()


@pytest.fixture
async def impatient(settings: Settings) -> AsyncIterator[Guarded]:
    driver = Guarded(DockerDriver(settings, start_timeout_s=2))
    yield driver
    await driver.close()


async def with_network(driver: Guarded, image: ImageRef) -> Guarded:
    """``driver``, when it has one that instances may share, as after a first one."""
    networks = networks_of(driver)
    seat = networks.join(make_request(image))
    networks.want(seat)
    await networks.made()
    networks.leave(seat)
    return driver


def networks_of(driver: Guarded) -> Networks:
    inner = driver._inner
    assert isinstance(inner, DockerDriver)
    return inner.networks


class TestDocker(DriverConformance):
    """In a network that is there already: how a first instance has its own, other tests show."""

    @pytest.fixture
    async def driver(self, driver: Guarded, image: ImageRef) -> Guarded:
        return await with_network(driver, image)


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    """The address of a Podman with images and containers of its own."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-p-"))
    url = f"unix://{folder}/podman.sock"
    own = [
        "--root",
        folder / "root",
        "--runroot",
        folder / "run",
        "--runtime",
        "runc",
    ]  # crun wants one kind of cgroups
    service = subprocess.Popen(
        ["podman", *own, "system", "service", "--time", "0", url], stderr=subprocess.DEVNULL
    )
    while not (folder / "podman.sock").exists():
        assert service.poll() is None, "podman ended"
        time.sleep(0.05)
    yield url
    service.terminate()
    service.wait()
    subprocess.run(["podman", *own, "unmount", "--all"], check=False, capture_output=True)
    subprocess.run(["podman", *own, "rmi", "--all", "--force"], check=True, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.needs("podman", "root")
class TestPodman(DriverConformance):
    """The same contract, kept by another daemon that speaks Docker's API."""

    @pytest.fixture(autouse=True)
    def _asked(self, podman: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", podman)

    @pytest.fixture
    async def driver(self, driver: Guarded) -> Guarded:
        assert driver.isolation.mechanisms[0].startswith("Podman")
        return driver


def containers(client: Any, settings: Settings) -> list[Any]:
    """Those of this state folder, running or not."""
    found: list[Any] = client.containers.list(all=True, filters={"label": f"nbfn.state={settings.state}"})
    return found


async def test_what_a_container_may(driver: Guarded, image: ImageRef) -> None:
    instance = await driver.start(make_request(image, memory_mb=128, network=False), Output())
    status: Any = await call(instance, "status")
    assert (status["uid"], status["gid"], status["cwd"]) == (1000, 1000, "/function")
    assert int(status["CapBnd"], 16) == int(status["CapEff"], 16) == 0
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["pid"] != 1
    assert await call(instance, "read", "/function/note.txt") == "a note"
    for path in ("/x", "/function/note.txt", "/etc/x"):
        assert await call(instance, "write", path) in ("OSError", "PermissionError")
    environment: Any = await call(instance, "environment")
    assert environment["HOME"] == "/tmp"
    assert await call(instance, "write", "/tmp/x", "y" * 1000) == "written"
    size = {
        name: int(n)
        for name, n in re.findall(r"f_(\w+)=(\d+)", await call(instance, "attempt", "statvfs", "/tmp"))
    }  # type: ignore[arg-type]
    assert size["blocks"] * size["frsize"] == 96 << 20, "three quarters of its memory"
    assert await call(instance, "attempt", "listdir", "/sys/class/net") == "['lo']"
    forked = await call(instance, "fork_many", 400)
    assert isinstance(forked, int)
    assert 40 < forked < 256
    await instance.stop()


async def test_with_network_it_has_one(driver: Guarded, image: ImageRef) -> None:
    instance = await driver.start(make_request(image), Output())
    assert "eth0" in str(await call(instance, "attempt", "listdir", "/sys/class/net"))
    await instance.stop()


async def address(instance: Instance) -> str:
    """Of its network card, which no other has."""
    return str(await call(instance, "read", "/sys/class/net/eth0/address"))


async def test_instances_of_an_application_share_a_network(
    driver: Guarded, image: ImageRef, settings: Settings, client: Any
) -> None:
    own = await driver.start(make_request(image, FN_APP_ID="a"), Output())
    await networks_of(driver).made()
    wanted: list[dict[str, str]] = [
        {"FN_APP_ID": "a"},
        {"FN_APP_ID": "a"},
        {"FN_APP_ID": "b"},
        {"FN_APP_ID": "a", "NBFN_NETWORK": "bridge"},
    ]
    others = await asyncio.gather(*(driver.start(make_request(image, **env), Output()) for env in wanted))
    shared, too, foreign, apart = [await address(instance) for instance in others]
    assert shared == too
    assert len({await address(own), shared, foreign, apart}) == 4
    await networks_of(driver).made()
    labelled = {"label": [f"nbfn.state={settings.state}", "nbfn.network"]}
    holders = client.containers.list(filters=labelled)
    assert sorted(found.labels["nbfn.network"] for found in holders) == ["a", "b"]
    await driver.close()
    assert containers(client, settings) == []
    assert not [tag for tag in tags(client, settings) if tag.endswith(":network")]


async def test_a_network_stays_while_there_are_instances(
    image: ImageRef, settings: Settings, client: Any
) -> None:
    inner = DockerDriver(settings, network_linger_s=0)
    driver = Guarded(inner)
    first = await driver.start(make_request(image), Output())
    await inner.networks.made()
    second = await driver.start(make_request(image), Output())
    await first.stop()
    assert len(containers(client, settings)) == 2
    await second.stop()
    await asyncio.to_thread(until_there_are_none, client, settings)
    await driver.close()


def until_there_are_none(client: Any, settings: Settings) -> None:
    while containers(client, settings):
        time.sleep(0.01)


async def test_a_network_that_has_gone_is_done_without(
    driver: Guarded, image: ImageRef, settings: Settings, client: Any
) -> None:
    await with_network(driver, image)
    (holder,) = containers(client, settings)
    holder.remove(force=True)
    instance = await driver.start(make_request(image), Output())
    assert "eth0" in str(await call(instance, "attempt", "listdir", "/sys/class/net"))
    await networks_of(driver).made()
    assert holder.name not in {found.name for found in containers(client, settings)}
    assert len(containers(client, settings)) == 2, "the instance, and a new holder"
    await instance.stop()


async def test_networks_that_a_killed_executor_left_are_swept(
    driver: Guarded, image: ImageRef, settings: Settings, client: Any
) -> None:
    await with_network(driver, image)
    assert len(containers(client, settings)) == 1
    successor = make_driver(settings)
    assert await successor.sweep() == 0, "it is no instance"
    assert containers(client, settings) == []
    await successor.close()


async def test_where_no_network_can_be_made_each_has_its_own(
    driver: Guarded, image: ImageRef, settings: Settings, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other = client.images.get("nbfn-test-drivers/debian:1")
    other.tag(f"nbfn.local/{mark(settings)}", "network")  # which has not the program that is to hold it
    await with_network(driver, image)
    assert "each instance starts with a network of its own" in caplog.text
    instance = await driver.start(make_request(image), Output())
    assert "eth0" in str(await call(instance, "attempt", "listdir", "/sys/class/net"))
    await instance.stop()


@pytest.mark.parametrize("shared", [False, True])
async def test_a_memory_hog_is_killed_and_named(driver: Guarded, image: ImageRef, shared: bool) -> None:
    instance = await driver.start(make_request(image, memory_mb=64, network=False), Output())
    await call_that_ends_it(instance, "hog", 300, shared)
    end = await instance.wait()
    assert (end.out_of_memory, end.cause) == (True, "out of memory: more than 64 MB")


async def test_nothing_is_left(driver: Guarded, image: ImageRef, settings: Settings, client: Any) -> None:
    instance = await driver.start(make_request(image, network=False), Output())
    await call(instance, "leave_daemon")
    (found,) = containers(client, settings)
    assert found.labels["nbfn.instance"] == instance.id
    assert found.labels["nbfn.image"] == str(image)
    folder = instance.socket.parent.parent
    await instance.stop()
    with pytest.raises(StartFailed, match="exit code 3"):
        await driver.start(make_request(image, network=False, MODE="daemon-then-exit"), Output())
    with pytest.raises(StartFailed, match="must be a relative link") as failed:
        await driver.start(make_request(image, network=False, MODE="absolute-link"), Output())
    assert failed.value.stage == "init"
    assert containers(client, settings) == []
    assert list(folder.parent.iterdir()) == []


async def test_what_a_killed_executor_left_is_swept(
    driver: Guarded, image: ImageRef, settings: Settings, client: Any
) -> None:
    instance = await driver.start(make_request(image, network=False), Output())
    successor = make_driver(settings)
    assert await successor.sweep() == 1
    assert (await instance.wait()).signal == signal.SIGKILL
    assert containers(client, settings) == []
    assert await successor.sweep() == 0
    await successor.close()


async def test_what_was_removed_before_its_end_was_asked_for_was_killed(
    driver: Guarded, image: ImageRef, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = docker.APIClient.wait

    def late(self: docker.APIClient, name: str, **options: Any) -> Any:
        with contextlib.suppress(docker.errors.NotFound):
            while self.inspect_container(name):
                time.sleep(0.01)
        return ask(self, name, **options)

    monkeypatch.setattr(docker.APIClient, "wait", late)
    instance = await driver.start(make_request(image, network=False), Output())
    await asyncio.to_thread(client.containers.get(f"nbfn-{instance.id}").remove, force=True)
    assert (await instance.wait()).cause == "killed by SIGKILL"


async def test_a_program_that_cannot_run(driver: Guarded, debian: Image, settings: Settings) -> None:
    image = make_image(settings.images, host="", on=debian, entrypoint=("no-such-program",))
    with pytest.raises(StartFailed, match="cannot execute 'no-such-program': No such file") as failed:
        await driver.start(make_request(image, network=False), Output())
    assert failed.value.stage == "start"
    image = make_image(
        settings.images, {"function/x": b"\x7fELF"}, host="", on=debian, entrypoint=("/function/x",)
    )
    with pytest.raises(StartFailed, match="cannot execute '/function/x': Permission denied"):
        await driver.start(make_request(image, network=False), Output())


async def test_images_that_cannot_run_say_why(driver: Guarded, debian: Image, settings: Settings) -> None:
    for image, text in (
        (ImageRef("nbfn.local/test/none", "sha256:" + "0" * 64), "0" * 12),
        (make_image(settings.images, host="", on=debian, entrypoint=()), "nothing to run"),
        (make_image(settings.images), "this machine's own Python.*base='fn'"),
        (ImageRef("127.0.0.1:1/no/image", tag="1"), "connection refused"),
    ):
        with pytest.raises(StartFailed, match=text) as failed:
            await driver.start(make_request(image), Output())
        assert failed.value.stage == "image"
        assert "\n" not in failed.value.message, "what to do is the hint's"


async def test_only_what_the_daemon_lacks_is_loaded(
    driver: Guarded, debian: Image, image: ImageRef, settings: Settings, client: Any
) -> None:
    await driver.prepare(image)
    told: list[tuple[str, int, int]] = []
    other = make_image(settings.images, {"function/more.txt": os.urandom(1000)}, host="", on=debian)
    await driver.prepare(other, lambda *step: told.append(step))
    assert {what for what, _, _ in told} == {"load"}
    assert max(total for _, _, total in told) < 100_000
    name = next(tag for tag in tags(client, settings) if tag.endswith(other.digest[7:]))
    assert client.images.get(name).id == digest_of(Layout(settings.images).get(other).config_bytes)
    client.images.remove(name)
    instance = await driver.start(make_request(other, network=False), Output())
    assert len(str(await call(instance, "read", "/function/more.txt"))) == 1000
    await instance.stop()


async def test_images_that_the_layout_has_no_more_are_let_go(
    driver: Guarded, debian: Image, settings: Settings, client: Any
) -> None:
    other = make_image(settings.images, {"function/more.txt": os.urandom(1000)}, host="", on=debian)
    await driver.prepare(other)
    assert any(tag.endswith(other.digest[7:]) for tag in tags(client, settings))
    Layout(settings.images).blob(other.digest).unlink()
    await driver.sweep()
    assert not any(tag.endswith(other.digest[7:]) for tag in tags(client, settings))


async def test_an_image_with_a_volume_is_refused(driver: Guarded, debian: Image, settings: Settings) -> None:
    ref = make_image(settings.images, host="", on=debian, volumes=("/data",))
    with pytest.raises(StartFailed, match=r"^image has Volume definition: /data\n") as caught:
        await driver.start(make_request(ref, network=False), Output())
    assert caught.value.stage == "refused"


async def test_only_so_many_images_are_kept_in_the_daemon(
    debian: Image, settings: Settings, client: Any
) -> None:
    with contextlib.closing(Engine()) as engine:
        images = Images(engine, settings.images, settings.state / "docker", mark(settings), keep=3)
        refs = [make_image(settings.images, {"function/n": b"%d" % n}, host="", on=debian) for n in range(4)]
        for n in (0, 1, 0, 2, 3):  # so that the second is the one asked for least lately, then the first
            images.supply(refs[n], lambda *_: None)
            assert any(tag.endswith(refs[n].digest[7:]) for tag in tags(client, settings))
        kept = {tag.rpartition(":")[2] for tag in tags(client, settings)}
        assert kept == {ref.digest[7:] for ref in (refs[0], refs[2], refs[3])}
        images.supply(refs[1], lambda *_: None)
        kept = {tag.rpartition(":")[2] for tag in tags(client, settings)}
        assert kept == {ref.digest[7:] for ref in (refs[1], refs[2], refs[3])}


def tags(client: Any, settings: Settings) -> list[str]:
    found = client.api.images(name=f"nbfn.local/{mark(settings)}")
    return [tag for image in found for tag in image["RepoTags"] or () if mark(settings) in tag]


def mark(settings: Settings) -> str:
    """What names of images in the daemon have for this state folder."""
    return hashlib.sha256(str(settings.state).encode()).hexdigest()[:12]


async def test_a_daemon_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{settings.state}/none.sock")
    with pytest.raises(ExecutorError, match=r"no Docker answers at .*none.sock: No such file") as failed:
        make_driver(settings)
    assert "start Docker, or set DOCKER_HOST" in failed.value.hint


class Line:
    """A daemon's socket that can be cut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._relay, self.path)

    async def cut(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection("/var/run/docker.sock")
        self._writers |= {writer, up_writer}
        await asyncio.gather(self._pump(reader, up_writer), self._pump(up_reader, writer))
        self._writers -= {writer, up_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()


async def test_a_daemon_that_goes_away(
    image: ImageRef, settings: Settings, monkeypatch: pytest.MonkeyPatch, client: Any
) -> None:
    line = Line(settings.state / "docker.sock")
    await line.open()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{line.path}")
    driver = await asyncio.to_thread(make_driver, settings)
    lost = await driver.start(make_request(image, network=False), Output())
    await line.cut()
    assert "Docker at unix:///" in (await lost.wait()).cause
    with pytest.raises(StartFailed, match=r"Docker at unix:.* went away"):
        await driver.start(make_request(image, network=False), Output())
    assert len(containers(client, settings)) == 1, "it runs on: nobody could end it"
    await line.open()
    instance = await driver.start(make_request(image, network=False), Output())
    assert [found.labels["nbfn.instance"] for found in containers(client, settings)] == [instance.id]
    await driver.close()
    await line.cut()

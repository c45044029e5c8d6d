"""One image, by its digest, in the sandbox and in Docker, by every way that it gets there; and the choice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from nbfn import config
from nbfn.containerize import Layout, build, publish
from nbfn.containerize.places import Tarball
from nbfn.drivers import make_driver
from nbfn.drivers.base import StartFailed
from nbfn.spec import Capture, FunctionSpec, PythonVersion
from tests.containerize.registries import running
from tests.drivers.rig import Output, make_image, make_request
from tests.drivers.test_real_image import post

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.config import Settings
    from nbfn.containerize import Image
    from nbfn.spec import ImageRef

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("docker", "base"),
    pytest.mark.usefixtures("_nothing_of_ours_stays_in_the_daemon"),
]

SOURCE = """\
import os
import sys

def look(word):
    if word == "raise":
        raise ValueError("no such word")
    if word == "write":
        try:
            open("/function/x", "w")
        except OSError as error:
            return error.strerror
    with open("data/word.json") as file:
        seen = [file.read(), sys.version_info[:2], os.getuid(), os.getgid(), os.getcwd(), os.environ["HOME"]]
    seen += [sys.executable, sys.flags.no_site, os.environ["PATH"]]
    return seen + [sorted(os.listdir("."))]
"""
WORDS = ("go", "write", "raise")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return Layout(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def built(layout: Layout, debian: Image, tmp_path_factory: pytest.TempPathFactory) -> ImageRef:
    """A function on Debian."""
    base = Tarball(tmp_path_factory.mktemp("base") / "debian.tar")
    base.store(debian)
    data = {"data/word.json": b'"hello"'}
    capture = Capture("look", "values", SOURCE, PythonVersion(3, 11), files=data)
    return build(FunctionSpec("look", "test", base=str(base)), capture, layout).image


def over(state: Path, layout: Layout, **settings: str) -> Settings:
    """Settings of a state folder of its own with these images."""
    state.mkdir(exist_ok=True)
    if not (state / "images").exists():
        (state / "images").symlink_to(layout.path)
    return config.load({"NBFN_STATE": str(state), **settings})


async def answers(state: Path, layout: Layout, image: ImageRef, **settings: str) -> list[tuple[int, object]]:
    """What it says to each word: the status and the body."""
    driver = make_driver(over(state, layout, **settings))
    try:
        instance = await driver.start(make_request(image, network=False), Output())
        found = [await post(instance.socket, json.dumps({"word": word}).encode()) for word in WORDS]
    finally:
        await driver.close()
    return [(int(head.split()[1]), json.loads(body)) for head, body in found]


@pytest.mark.needs("docker-registry", "skopeo")
async def test_the_same_answers_everywhere(
    built: ImageRef, layout: Layout, state: Path, client: Any, tmp_path: Path
) -> None:
    sandboxed = await answers(state / "s", layout, built, NBFN_DRIVER="sandbox")
    (status, seen), *_ = sandboxed
    assert status == 200
    assert isinstance(seen, list)
    assert seen[:6] == ['"hello"', [3, 11], 1000, 1000, "/function", "/tmp"]
    assert await answers(state / "s", layout, built, NBFN_DRIVER="sandbox", NBFN_ZYGOTES="0") == sandboxed
    assert await answers(state / "d", layout, built, NBFN_DRIVER="docker") == sandboxed

    with running(tmp_path / "registry") as registry:
        there = publish(built, f"{registry.host}/functions/look:1", layout)
        pulled = client.images.pull(there.repository, "1")
        try:
            assert pulled.attrs["RepoDigests"] == [str(there)]
            ask = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{there}"]
            assert (await anyio.run_process(ask)).stdout.decode().strip() == there.digest
        finally:
            client.images.remove(f"{there.repository}:1", force=True)
        # By the daemon, which has it no more, from the registry; by the sandbox from the layout.
        empty = Layout(state / "empty")
        assert await answers(state / "p", empty, there, NBFN_DRIVER="docker") == sandboxed
        client.images.remove(str(there), force=True)
        assert await answers(state / "s", layout, there, NBFN_DRIVER="sandbox") == sandboxed


@pytest.mark.needs("docker-registry")
async def test_a_pull_tells_how_far_it_is(layout: Layout, state: Path, client: Any, tmp_path: Path) -> None:
    small = make_image(layout.path, {"function/x": b"x" * 300_000}, host="")
    with running(tmp_path / "registry") as registry:
        there = publish(small, f"{registry.host}/functions/small:1", layout)
        driver = make_driver(config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "docker"}))
        told: list[tuple[str, int, int]] = []
        await driver.prepare(there, lambda *step: told.append(step))
        client.images.remove(str(there), force=True)
        await driver.close()
    assert {what for what, _, _ in told} == {"pull"}
    assert all(done <= total for _, done, total in told)


async def test_auto_takes_docker_for_what_the_sandbox_cannot_run(
    built: ImageRef, layout: Layout, state: Path, client: Any
) -> None:
    settings = over(state, layout, NBFN_TIER="T1")
    driver = make_driver(settings)
    assert (driver.name, driver.isolation.tier) == ("auto", "T1")
    labelled = {"label": f"nbfn.state={state}"}
    own_root = await driver.start(make_request(built, network=False), Output())
    assert len(client.containers.list(filters=labelled)) == 1
    hosted = await driver.start(make_request(make_image(layout.path), network=False), Output())
    assert len(client.containers.list(filters=labelled)) == 1
    assert await driver.sweep() == 0
    successor = make_driver(settings)
    await own_root.stop()
    await hosted.stop()
    assert await successor.sweep() == 0
    with pytest.raises(StartFailed, match=r"0{12}.*No such file"):
        await driver.prepare(type(built)("nbfn.local/test/none", "sha256:" + "0" * 64))
    with pytest.raises(StartFailed, match=r"no image 127.0.0.1:1/no.*; nor in a container: .*refused") as no:
        await driver.prepare(type(built)("127.0.0.1:1/no", tag="1"))
    assert "\n" not in no.value.message
    assert "registry can be reached" in no.value.hint
    await successor.close()
    await driver.close()

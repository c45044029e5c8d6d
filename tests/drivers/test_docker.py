"""Containers of a real daemon: the contract, what limits them, what is left, and where images come from."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker
import pytest

from nbfn import config
from nbfn.containerize import Layout
from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer, digest_of_file
from nbfn.drivers import Guarded, make_driver
from nbfn.drivers.docker import DockerDriver
from tests.conftest import debian_base
from tests.drivers.conformance import DriverConformance
from tests.drivers.rig import ImageRef, Output, call, make_image, make_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from nbfn.config import Settings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.needs("docker", "base"),
    pytest.mark.xdist_group("docker"),
]


@pytest.fixture(scope="module")
def base() -> Image:
    """Debian with its Python."""
    path = debian_base()
    with path.open("rb") as file:
        digest, size = digest_of_file(file)
    layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, path)
    return Image.empty({"os": "linux", "architecture": "amd64"}).append(layer, created_by="debootstrap")


@pytest.fixture(scope="module")
def images(base: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout with the actor on the base in it, shared by the tests, as is what the daemon has of it."""
    folder = tmp_path_factory.mktemp("docker-images")
    make_image(folder, host="", on=base)
    return folder


@pytest.fixture
def settings(state: Path, images: Path) -> Settings:
    (state / "images").symlink_to(images)
    return config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "docker"})


@pytest.fixture
def image(settings: Settings) -> ImageRef:
    ((_, digest),) = Layout(settings.images).refs().items()
    return ImageRef("nbfn.local/test/actor", digest)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


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


class TestDocker(DriverConformance):
    pass

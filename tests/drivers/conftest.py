"""Drivers are asynchronous; their tests run on asyncio unless a class says otherwise."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker
import pytest

from nbfn.containerize import host
from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer, digest_of_file
from nbfn.containerize.places import Daemon
from tests.conftest import debian_base

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def anyio_backend() -> object:
    return "asyncio"


@pytest.fixture(scope="session")
def debian() -> Image:
    """A Debian with its Python. Takes the part ``base``."""
    path = debian_base()
    with path.open("rb") as file:
        digest, size = digest_of_file(file)
    layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, path)
    here = {"os": "linux", "architecture": host.machine_platform()["architecture"]}
    return Image.empty(here).append(layer, created_by="debootstrap")


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """This machine's Docker, as its own library has it."""
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def _debian_stays_in_the_daemon(client: Any, debian: Image) -> Iterator[None]:
    """So that each test loads only what is its own."""
    name = "nbfn-test-drivers/debian:1"
    Daemon(name).store(debian)
    yield
    with contextlib.suppress(docker.errors.ImageNotFound):  # removed by its id, which it shares
        client.images.remove(name, force=True)


@pytest.fixture
def _nothing_of_ours_stays_in_the_daemon(_debian_stays_in_the_daemon: None, client: Any) -> Iterator[None]:
    def ours() -> set[str]:
        return {
            tag
            for image in client.images.list("nbfn.local/*")
            for tag in image.tags
            if tag.startswith("nbfn.local/")
        }

    before = ours()
    yield
    for tag in ours() - before:
        client.images.remove(tag, force=True)

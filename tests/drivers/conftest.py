"""Drivers are asynchronous; their tests run on asyncio unless a class says otherwise."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import docker
import pytest

from nbfn.containerize.places import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.containerize import Image


@pytest.fixture
def anyio_backend() -> object:
    return "asyncio"


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

"""The one way to the daemon, through the ``docker`` package: its failures become errors of ours here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def connected(what: str, url: str | None = None) -> Iterator[Any]:
    """A ``docker.DockerClient``, closed in the end; ``what`` is being done, for the errors.

    ``url`` is, by default, what ``DOCKER_HOST`` says, or the usual socket.

    Raises:
        ImageError: no daemon answers, it went away, it has no such image, or it refused.
    """
    import docker  # a third of a second, for those who have a daemon
    import requests
    import urllib3

    try:
        client = docker.DockerClient(url) if url else docker.from_env()
    except docker.errors.DockerException as error:
        raise ImageError(f"{what}: no Docker daemon answers: {error}", hint="start Docker") from error
    try:
        yield client
    except docker.errors.ImageNotFound as error:
        raise ImageError(
            f"{what}: the Docker daemon has no such image: {_said(error)}",
            hint="`docker pull` it, or make it",
        ) from error
    except docker.errors.DockerException as error:
        raise ImageError(f"{what}: the Docker daemon refused: {_said(error)}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise ImageError(
            f"{what}: the Docker daemon went away: {error}", hint="start Docker, and do it again"
        ) from error
    finally:
        client.close()


def _said(error: Exception) -> str:
    """In the daemon's words, without the request that it is about."""
    return str(getattr(error, "explanation", "") or error).strip()

"""A container of the Docker daemon that runs once, for what it prints."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nbfn.containerize.dockerd import connected, said
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

_TAIL = 500


def _pull(client: docker.DockerClient, image: str, what: str) -> None:
    import docker

    try:
        client.images.pull(image)
    except docker.errors.ImageNotFound:
        raise
    except docker.errors.APIError as error:
        raise ImageError(
            f"{what}: it is not here and cannot be pulled: {said(error)}",
            hint="is its name right, and does the daemon reach its registry and know you there?",
        ) from error


def printed(image: str, environ: Mapping[str, str], *, url: str | None = None) -> bytes:
    """What ``image`` writes to its standard output; the daemon pulls it if it has it not.

    Raises:
        ImageError: no daemon answers, there is no such image, or it ended with another exit code than 0.
    """
    import docker

    what = f"running {image}"
    with connected(what, url) as client:
        container = None
        try:
            try:
                container = client.containers.create(image, environment=dict(environ))
            except docker.errors.ImageNotFound:
                _pull(client, image, what)
                container = client.containers.create(image, environment=dict(environ))
            container.start()
            code = int(container.wait()["StatusCode"])
            if code:
                wrote = container.logs(stdout=False, stderr=True).decode("utf-8", "replace").strip()
                raise ImageError(
                    f"{what}: it ended with exit code {code}{': ' if wrote else ''}{wrote[-_TAIL:]}",
                    hint="`docker run` it to see all that it says",
                )
            return bytes(container.logs(stdout=True, stderr=False))
        finally:
            if container is not None:
                with contextlib.suppress(docker.errors.DockerException):
                    container.remove(force=True, v=True)

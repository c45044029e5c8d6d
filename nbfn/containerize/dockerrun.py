"""A container of the Docker daemon that runs once, for what it prints."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nbfn.containerize.dockerd import connected
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAIL = 500


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
                client.images.pull(image)
                container = client.containers.create(image, environment=dict(environ))
            container.start()
            code = int(container.wait()["StatusCode"])
            if code:
                said = container.logs(stdout=False, stderr=True).decode("utf-8", "replace").strip()
                raise ImageError(
                    f"{what}: it ended with exit code {code}{': ' if said else ''}{said[-_TAIL:]}",
                    hint="`docker run` it to see all that it says",
                )
            return bytes(container.logs(stdout=True, stderr=False))
        finally:
            if container is not None:
                with contextlib.suppress(docker.errors.DockerException):
                    container.remove(force=True, v=True)

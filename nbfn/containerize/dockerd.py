"""The one way to the engine, through the ``docker`` package: its failures become errors of ours here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nbfn.containerize import engines
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def connected(what: str, url: str | None = None, *, engine: str = "") -> Iterator[Any]:
    """A ``docker.DockerClient``, closed in the end; ``what`` is being done, for the errors.

    Without ``url`` it is the engine that :func:`nbfn.enginetype.engine_type` tells, where
    :mod:`nbfn.containerize.engines` finds it; ``engine`` is what the context says of it.

    Raises:
        BadInput: an engine is asked for that there is not.
        ImageError: no engine answers, it went away, it has no such image, or it refused.
    """
    told = contextlib.nullcontext(engines.Engine("Docker", url)) if url else engines.found(what, engine)
    with told as place, _speaking(what, place, from_environment=place.given) as client:
        yield client


@contextlib.contextmanager
def _speaking(what: str, place: engines.Engine, *, from_environment: bool) -> Iterator[Any]:
    import docker  # a third of a second, for those who have a daemon
    import requests
    import urllib3

    try:  # the environment also has the certificates for a daemon that is elsewhere
        client = docker.from_env() if from_environment else docker.DockerClient(place.url)
    except docker.errors.DockerException as error:
        raise place.absent(what, error) from error
    try:
        yield client
    except docker.errors.ImageNotFound as error:
        raise ImageError(
            f"{what}: the {place.name} daemon has no such image: {said(error)}",
            hint=f"`{place.name.lower()} pull` it, or make it",
        ) from error
    except docker.errors.DockerException as error:
        raise ImageError(f"{what}: the {place.name} daemon refused: {said(error)}") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ConnectionError) as error:
        raise ImageError(
            f"{what}: the {place.name} daemon went away: {error}",
            hint=f"start {place.name}, and do it again",
        ) from error
    finally:
        client.close()


def said(error: Exception) -> str:
    """In the daemon's words, without the request that it is about."""
    return str(getattr(error, "explanation", "") or error).strip()

"""The daemon that runs containers, and its errors in words."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import docker
import requests
import urllib3
from docker.utils import kwargs_from_env

from nbfn.drivers.base import Isolation
from nbfn.errors import ExecutorError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

_THREADS = 16
# Each instance holds two connections for as long as it runs.
_CONNECTIONS = 1000
_TIMEOUT_S = 60.0
# Of one user, all containers together; below what Podman sets itself.
_PODMAN_PROCESSES = 16_384
GONE = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
)
"""What is raised when the daemon goes away."""
FAILED = (docker.errors.DockerException, requests.RequestException, *GONE)
"""What is raised when it refuses, or goes away."""


class Engine:
    """One daemon: the one that ``DOCKER_HOST`` names, else this machine's Docker. ``close`` it.

    Raises:
        ExecutorError: nobody answers there; says why and what to do.
    """

    def __init__(self, url: str | None = None) -> None:
        given = {"base_url": url} if url else kwargs_from_env()
        self.url = str(given.get("base_url") or "unix:///var/run/docker.sock")
        try:
            self.api = docker.APIClient(
                version="auto",
                timeout=_TIMEOUT_S,
                num_pools=_THREADS,
                max_pool_size=_CONNECTIONS,
                **given,
            )
            version: dict[str, Any] = self.api.version()
            self._info: dict[str, Any] = self.api.info()
        except FAILED as error:
            raise self._no_daemon(error) from error
        names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
        self.name = "Podman" if any("podman" in name.lower() for name in names) else "Docker"
        self.version = str(version.get("Version", ""))
        self.ulimits = _own_limits() if self.name == "Podman" else {}
        """Limits that must be named, for containers to start."""
        self._threads = ThreadPoolExecutor(_THREADS, "nbfn docker")

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of ``call`` in a thread of the engine's own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self.api.close()

    def runs_on(self, machines: Collection[str]) -> bool:
        """Whether its machine is one of these, as it names them."""
        return self._info.get("Architecture") in machines

    def isolation(self) -> Isolation:
        """What the daemon says that it can do."""
        options = [_word(option) for option in self._info.get("SecurityOptions") or ()]
        limits = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit"}
        missing = [f"a limit of {what}" for what, key in limits.items() if self._info.get(key) is False]
        if "seccomp" not in options:
            missing.append("a filter of system calls")
        group = self._info.get("CgroupVersion")
        have = [
            f"{self.name} {self.version}",
            str(self._info.get("DefaultRuntime") or "its runtime"),
            f"cgroup v{group}" if group else "cgroup",
            *options,
            "no capabilities",
            "no-new-privileges",
            "read-only root",
        ]
        return Isolation("docker", tuple(filter(None, have)), tuple(missing))

    def went_away(self, error: BaseException) -> str:
        """What a message says when the daemon is gone in the middle of something."""
        return f"{self.name} at {self.url} went away: {reason(error)}"

    def _no_daemon(self, error: BaseException) -> ExecutorError:
        cause = root(error)
        if isinstance(cause, PermissionError):
            hint = "let this user use it (group docker), or set DOCKER_HOST to a daemon of their own"
        elif self.url.startswith(("unix:", "http+unix:")):
            hint = "start Docker, or set DOCKER_HOST (Podman: `podman system service`, unix://…/podman.sock)"
        else:
            hint = "DOCKER_HOST must name a daemon of this machine that is running"
        hint += "; NBFN_DRIVER=sandbox needs none"
        return ExecutorError(f"no Docker answers at {self.url}: {reason(error)}", hint=hint)


def _own_limits() -> dict[str, int]:
    """Podman else sets the kernel's maximum, which it may not where it lacks CAP_SYS_RESOURCE."""
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return {} if hard == resource.RLIM_INFINITY else {"nproc": min(hard, _PODMAN_PROCESSES)}


def reason(error: BaseException) -> str:
    """What the daemon said, or the system."""
    if isinstance(error, docker.errors.APIError):
        return str(error.explanation or error).strip()
    cause = root(error)
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


def root(error: BaseException) -> BaseException:
    """The system's error below those of three libraries, or ``error`` itself."""
    seen: set[int] = set()
    ahead: list[object] = [error]
    while ahead:
        found = ahead.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, OSError) and found.errno:
            return found
        ahead += [*found.args, getattr(found, "reason", None), found.__cause__, found.__context__]
    return error


def absent(error: BaseException) -> bool:
    """True if the daemon says that there is no such thing, or that it is over already."""
    return isinstance(error, docker.errors.APIError) and error.status_code in (404, 409, 304)


def close_quietly(*things: Any) -> None:
    for thing in things:
        with contextlib.suppress(OSError, ValueError, *FAILED):  # closed already, some of them say
            thing.close()


def _word(option: object) -> str:
    """``seccomp`` of ``name=seccomp,profile=default``."""
    return str(option).partition(",")[0].removeprefix("name=")

"""Networks that are there before the instance that needs one: making its own is half of a container's start.

The instances of one application share a namespace, which a container of a few bytes holds. It is made once
a first instance runs, so it delays none, stays while there are instances and ``LINGER_S`` beyond, and is
never needed: whoever finds none, or a dead one, starts with a bridge of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker

from nbfn.drivers.docker import pause
from nbfn.drivers.docker.container import STATE_LABEL
from nbfn.drivers.docker.engine import FAILED, absent, reason

if TYPE_CHECKING:
    from nbfn.drivers.base import StartRequest
    from nbfn.drivers.docker.engine import Engine

_log = logging.getLogger(__name__)

NETWORK_LABEL = "nbfn.network"
LINGER_S = 120.0
IMAGE_TAG = "network"
_AGAIN_S = 60.0
_MEMORY = 16 << 20
"""The daemon's own helper starts in it before the program does."""
_RESOLVER = Path("/etc/resolv.conf")


@dataclass(slots=True, eq=False)
class Namespace:
    """One network, held by a container."""

    app: str
    container: str
    resolver: tuple[int, int]
    """Which state of the host's name servers it was made with; it keeps those."""
    users: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """What an instance has of a network, until it ends."""

    mode: str
    """As Docker's ``NetworkMode``."""
    app: str = ""
    namespace: Namespace | None = None
    counts: bool = True
    """Whether its application's network is kept for the sake of others like it."""


class Networks:
    """Used on the event loop's thread, except for :meth:`sweep`."""

    def __init__(self, engine: Engine, state: str, repository: str, *, linger_s: float = LINGER_S) -> None:
        self._engine = engine
        self._state = state
        self._image = f"{repository}:{IMAGE_TAG}"
        self._linger_s = linger_s
        self._current: dict[str, Namespace] = {}
        self._held: set[Namespace] = set()
        self._instances: Counter[str] = Counter()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._removing: set[asyncio.Task[None]] = set()
        self._not_before_s = 0.0
        self._has_image = False
        self._closed = not engine.runs_on(pause.MACHINES)

    def join(self, request: StartRequest) -> Seat:
        """Where to start this instance. Its seat is to ``leave`` when it has ended."""
        if not request.network:
            return Seat("none", counts=False)
        if request.env.get("NBFN_NETWORK") == "bridge":
            return Seat("bridge", counts=False)
        app = request.env.get("FN_APP_ID", "")
        self._instances[app] += 1
        if timer := self._timers.pop(app, None):
            timer.cancel()
        found = self._current.get(app)
        if found is not None and found.resolver != _resolver():
            self._retire(app)
            found = None
        if found is None:
            return Seat("bridge", app)
        found.users += 1
        return Seat(f"container:{found.container}", app, found)

    def leave(self, seat: Seat) -> None:
        namespace = seat.namespace
        if namespace is not None:
            namespace.users -= 1
            if self._current.get(namespace.app) is not namespace:
                self._remove_unused(namespace)
        if seat.counts:
            self._instances[seat.app] -= 1
            self._wait_for_instances(seat.app)

    def want(self, seat: Seat) -> None:
        """Begin to make its application's network, unless there is one: the next instance may use it."""
        app = seat.app
        if self._closed or not seat.counts or app in self._current or app in self._under_way:
            return
        if asyncio.get_running_loop().time() >= self._not_before_s:
            task = asyncio.create_task(self._make(app))
            self._under_way[app] = task
            task.add_done_callback(lambda _: self._under_way.pop(app))

    async def made(self) -> None:
        """Returns when none is being made."""
        await asyncio.gather(*self._under_way.values())

    async def has_gone(self, seat: Seat) -> bool:
        """True if what it names is no network any more. Nobody else is then given it."""
        namespace = seat.namespace
        if namespace is None or await self._engine.run(self._runs, namespace.container):
            return False
        if self._current.get(namespace.app) is namespace:
            self._retire(namespace.app)
        return True

    async def close(self) -> None:
        self._closed = True
        await self.made()
        for timer in self._timers.values():
            timer.cancel()
        for namespace in tuple(self._held):
            self._remove(namespace)
        await asyncio.gather(*self._removing)
        if self._has_image:
            self._has_image = False
            await self._engine.run(self._forget_image)

    def sweep(self) -> None:
        """Remove what a dead executor of this state folder left. In one of the engine's threads.

        Raises:
            FAILED: the daemon refuses, or is gone.
        """
        labels = [f"{STATE_LABEL}={self._state}", NETWORK_LABEL]
        living = {namespace.container for namespace in tuple(self._held)}
        for found in self._engine.api.containers(all=True, filters={"label": labels}):
            names = {name.lstrip("/") for name in found.get("Names") or ()}
            if not names & living:
                self._kill(found["Id"])
        if not living and not self._under_way:
            self._forget_image()

    def _wait_for_instances(self, app: str) -> None:
        """The network of an application without any goes, after a while."""
        if not self._instances[app]:
            del self._instances[app]
            if app in self._current and not self._closed:
                later = asyncio.get_running_loop().call_later(self._linger_s, self._retire, app)
                self._timers[app] = later

    def _retire(self, app: str) -> None:
        """Give it to nobody any more."""
        self._timers.pop(app, None)
        if namespace := self._current.pop(app, None):
            self._remove_unused(namespace)

    def _remove_unused(self, namespace: Namespace) -> None:
        if not namespace.users and namespace in self._held:
            self._remove(namespace)

    async def _make(self, app: str) -> None:
        namespace = Namespace(app, f"nbfn-network-{secrets.token_hex(8)}", _resolver())
        self._held.add(namespace)
        self._has_image = True
        try:
            await self._engine.run(self._hold, namespace)
        except FAILED as error:
            self._not_before_s = asyncio.get_running_loop().time() + _AGAIN_S
            _log.warning("each instance starts with a network of its own: %s", reason(error))
            self._remove(namespace)
        else:
            self._current[app] = namespace
            self._wait_for_instances(app)

    def _remove(self, namespace: Namespace) -> None:
        self._held.discard(namespace)
        task = asyncio.create_task(self._engine.run(self._kill_quietly, namespace.container))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    # In the engine's threads

    def _runs(self, container: str) -> bool:
        try:
            return bool(self._engine.api.inspect_container(container)["State"]["Running"])
        except (*FAILED, KeyError):
            return False

    def _hold(self, namespace: Namespace) -> None:
        """Start the container that holds it."""
        labels = {STATE_LABEL: self._state, NETWORK_LABEL: namespace.app}
        wanted = config(self._image, labels, self._engine.ulimits)
        try:
            self._engine.api.create_container_from_config(wanted, namespace.container)
        except docker.errors.ImageNotFound:
            repository, _, tag = self._image.rpartition(":")
            self._engine.api.import_image_from_data(pause.root(), repository=repository, tag=tag)
            self._engine.api.create_container_from_config(wanted, namespace.container)
        self._engine.api.start(namespace.container)

    def _kill(self, container: str) -> None:
        try:
            self._engine.api.remove_container(container, v=True, force=True)
        except docker.errors.APIError as error:
            if not absent(error):
                raise

    def _kill_quietly(self, container: str) -> None:
        try:
            self._kill(container)
        except FAILED as error:
            _log.warning("%s stays until the next start: %s", container, reason(error))

    def _forget_image(self) -> None:
        with contextlib.suppress(*FAILED):
            self._engine.api.remove_image(self._image)


def config(image: str, labels: dict[str, str], ulimits: dict[str, int]) -> dict[str, Any]:
    """The body of ``POST /containers/create`` for a container that only holds a network."""
    return {
        "Image": image,
        "Entrypoint": [pause.PROGRAM],
        "User": "1000:1000",
        "Labels": labels,
        "HostConfig": {
            "ReadonlyRootfs": True,
            "Memory": _MEMORY,
            "MemorySwap": _MEMORY,
            "PidsLimit": 16,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Ulimits": [{"Name": name, "Soft": n, "Hard": n} for name, n in ulimits.items()],
            "NetworkMode": "bridge",
            "IpcMode": "private",
            "LogConfig": {"Type": "none"},
        },
    }


def _resolver() -> tuple[int, int]:
    try:
        found = _RESOLVER.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)

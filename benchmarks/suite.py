"""The measurements. Each gives a row, with its peer measured in the same run where there is one."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING

import nbfn
from benchmarks import warm
from benchmarks.functions import echo, increment, nap, norm, path_of, total
from benchmarks.measure import Row, milliseconds, row
from benchmarks.raw import RawClient, post
from nbfn.calls.mapping import usual_concurrency

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from nbfn.session import Session

_BARE = [sys.executable, "-S", "-c", "pass"]


# What gives each row, by the row's name. Those of warm have one instance, and come together.
ROWS: dict[str, Callable[[Session], Iterable[Row]]] = {
    "cold-start": lambda _: [_cold("cold-start", increment, b'{"x": 1}')],
    "cold-start-numpy": lambda _: [_cold("cold-start-numpy", total, b'{"values": [1.0]}')],
    "cold-start-10-at-once": lambda session: [_cold_at_once(session, 10)],
    "cold-start-50-at-once": lambda session: [_cold_at_once(session, 50)],
    "idle-instance-private-mb": lambda session: [_idle_memory(session)],
    "warm": lambda session: warm.rows(session),
    "deploy-no-change": lambda _: [_no_change()],
    "array-10mb": lambda _: [_array("array-10mb", 1_250_000, 20)],
    "array-10mb-echo": lambda _: [_array("array-10mb-echo", 1_250_000, 20, echo)],
    "array-100mb": lambda _: [_array("array-100mb", 12_500_000, 5)],
    "map-1000": lambda _: [_map()],
    "import-time": lambda _: [_import_time()],
}


def rows(session: Session, names: Collection[str] = ()) -> Iterator[Row]:
    """The rows of ``names``, as they are measured; without any, all."""
    for name, measure in ROWS.items():
        if not names or name in names:
            yield from measure(session)


def stop(session: Session) -> None:
    """End the executor that the session started."""
    with session.endpoint.client() as client:
        client.post("/nbfn/v1/stop", params={"grace_s": 0})
    session.close()


def _cold(name: str, function: Callable[..., object], body: bytes, runs: int = 15) -> Row:
    """First calls of functions that share one image, through the executor, isolated as the machine allows."""
    times = []
    for number in range(runs + 1):
        deployed = nbfn.deploy(function, name=f"{name}-{number}", memory=128, idle_timeout=5)
        endpoint = deployed.session.endpoint
        assert endpoint.socket is not None
        with RawClient(endpoint.socket) as client:
            begin = time.perf_counter()
            client.exchange(post(path_of(deployed), body, endpoint.token))
            times.append((time.perf_counter() - begin) * 1e3)
    bare = milliseconds(lambda: subprocess.run(_BARE, check=True), runs)
    return row(name, "ms", times[1:], bare, "a bare python -S process")


def _cold_at_once(session: Session, count: int, runs: int = 3) -> Row:
    """So many calls at once of a function that keeps its instance busy: each takes a new one."""
    times = []
    for number in range(runs):
        deployed = nbfn.deploy(nap, name=f"at-once-{count}-{number}", memory=64, idle_timeout=1)
        deployed(0.0)  # the image is unpacked
        request = post(path_of(deployed), b'{"seconds": 1.0}', session.endpoint.token)
        seconds = _all_at_once(session, [request] * count)
        times.append((seconds - 1.0) * 1e3)
    return row(f"cold-start-{count}-at-once", "ms", times, digits=1)


def _all_at_once(session: Session, requests: list[bytes]) -> float:
    """Seconds from the first request to the last answer, each on a connection of its own."""
    socket = session.endpoint.socket
    assert socket is not None
    barrier = threading.Barrier(len(requests) + 1)

    def work(request: bytes) -> None:
        with RawClient(socket) as client:
            barrier.wait()
            client.exchange(request)

    with ThreadPoolExecutor(len(requests)) as pool:
        done = [pool.submit(work, request) for request in requests]
        barrier.wait()
        begin = time.perf_counter()
        for each in done:
            each.result()
        return time.perf_counter() - begin


def _idle_memory(session: Session, instances: int = 5) -> Row:
    """What each idle instance with numpy holds alone, after a call; and a process that imported numpy."""
    sizes = []
    for number in range(instances):
        deployed = nbfn.deploy(total, name=f"idle-{number}", memory=128)
        deployed([1.0])
        assert deployed.deployment is not None
        with session.endpoint.client() as client:
            found = client.get(f"/nbfn/v1/fns/{deployed.deployment.fn_id}/instances").json()["items"]
        sizes += [each["memory_bytes"] / 1e6 for each in found]
    code = "import numpy; print(open('/proc/self/smaps_rollup').read())"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    alone = sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("Private_"))
    return row("idle-instance-private-mb", "MB", sizes, [alone * 1024 / 1e6], "a process that imported numpy")


def _no_change(runs: int = 30) -> Row:
    """Deploying what is deployed already: captured, compared, and nothing done."""
    deployed = nbfn.deploy(increment, name="no-change", memory=128)
    return row("deploy-no-change", "ms", milliseconds(deployed.deploy, runs))


def _array(name: str, length: int, runs: int, function: Callable[..., object] = norm) -> Row:
    """An array there, a number or the array back; beside it, the bytes one way over a socket pair."""
    import numpy as np

    array = np.ones(length)
    deployed = nbfn.deploy(function, name=name, memory=1024)
    times = milliseconds(lambda: deployed(array), runs, warm_up=2)
    return row(name, "ms", times, _moved(array.nbytes, runs), "the bytes over a socket pair, nothing else")


def _moved(size: int, runs: int) -> list[float]:
    ours, theirs = socket.socketpair()
    data = memoryview(bytes(size))

    def take() -> None:
        for _ in range(runs + 1):
            left, view = size, memoryview(bytearray(size))
            while left:
                left -= theirs.recv_into(view[size - left :])
            theirs.sendall(b".")

    def send() -> None:
        ours.sendall(data)
        ours.recv(1)

    with ours, theirs, ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take)
        times = milliseconds(send, runs)
        taking.result()
    return times


def _map(calls: int = 1000, runs: int = 5) -> Row:
    """Many small calls at once, as against the standard library's processes (as many as instances)."""
    workers = usual_concurrency()
    deployed = nbfn.deploy(increment, name="mapped", memory=128)
    times = milliseconds(lambda: list(deployed.map(range(calls))), runs)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        peer = milliseconds(lambda: list(pool.map(increment, range(calls))), runs)
    return row(f"map-{calls}", "ms", times, peer, f"ProcessPoolExecutor({workers})")


def _import_time(runs: int = 7) -> Row:
    def spent(code: str) -> list[float]:
        return milliseconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), runs)

    alone = spent("import IPython")
    both = spent("import IPython, nbfn")
    return row("import-time", "ms", both, alone, "import IPython alone")

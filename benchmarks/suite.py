"""The measurements. Each gives a row, with its peer measured in the same run where there is one."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nbfn
from benchmarks.measure import Row, milliseconds, row
from benchmarks.raw import RawClient, post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbfn.session import Session

_BARE = [sys.executable, "-S", "-c", "pass"]


def increment(x: int) -> int:
    return x + 1


def total(values: list[float]) -> float:
    import numpy as np

    return float(np.sum(values))


def norm(values: object) -> float:
    import numpy as np

    return float(np.sum(values))  # type: ignore[call-overload]


def rows(session: Session) -> Iterator[Row]:
    """Every row, as it is measured."""
    yield _cold("cold-start", increment, b'{"x": 1}')
    yield _cold("cold-start-numpy", total, b'{"values": [1.0]}')
    yield from _warm(session)
    yield _edit_loop()
    yield _array()
    yield _import_time()


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
            client.exchange(post(_path(deployed), body, endpoint.token))
            times.append((time.perf_counter() - begin) * 1e3)
    bare = milliseconds(lambda: subprocess.run(_BARE, check=True), runs)
    return row(name, "ms", times[1:], bare, "a bare python -S process")


def _warm(session: Session) -> Iterator[Row]:
    deployed = nbfn.deploy(increment, name="warm", memory=128)
    deployed(1)
    endpoint = session.endpoint
    assert endpoint.socket is not None
    through = post(_path(deployed), b'{"x": 1}', endpoint.token)
    direct = post("/call", b'{"x": 1}')
    with RawClient(endpoint.socket) as ours, RawClient(_instance_socket(session)) as peer:
        for _ in range(200):
            ours.exchange(through)
        mine, theirs = [], []
        for _ in range(20):  # in turn, so that both meet the same noise
            mine += milliseconds(lambda: ours.exchange(through), 100, warm_up=0)
            theirs += milliseconds(lambda: peer.exchange(direct), 100, warm_up=0)
    yield row("warm-call", "ms", mine, theirs, "the instance's socket, directly", digits=4)
    yield _throughput(session, through, clients=16)
    calls = milliseconds(lambda: deployed(1), 500, warm_up=50)
    yield row("python-call", "ms", calls, theirs, "the instance's socket, directly", digits=4)


def _throughput(session: Session, request: bytes, clients: int, calls: int = 2000) -> Row:
    """Calls a second by many clients at once. Clients share this process, hence its processor."""
    left = itertools.count()
    socket = session.endpoint.socket
    assert socket is not None

    def work(barrier: threading.Barrier) -> None:
        with RawClient(socket) as client:
            barrier.wait()
            while next(left) < calls:
                client.exchange(request)

    barrier = threading.Barrier(clients + 1)
    with ThreadPoolExecutor(clients) as pool:
        done = [pool.submit(work, barrier) for _ in range(clients)]
        barrier.wait()
        begin = time.perf_counter()
        for each in done:
            each.result()
        rate = calls / (time.perf_counter() - begin)
    return row(f"throughput-{clients}", "/s", [rate], digits=0)


def _edit_loop(runs: int = 10) -> Row:
    """Changed source → captured, built, deployed, and the first answer of the new code."""
    times = []
    for number in range(runs):
        scope: dict[str, object] = {"__name__": "bench_edit"}
        source = f"def edited(x: int) -> int:\n    return x + {number}\n"
        filename = f"<edit {number}>"
        import linecache

        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        exec(compile(source, filename, "exec"), scope)
        function = scope["edited"]
        assert callable(function)
        begin = time.perf_counter()
        answer = nbfn.deploy(function, name="edited", memory=128)(1)
        times.append((time.perf_counter() - begin) * 1e3)
        assert answer == number + 1
    return row("edit-loop", "ms", times[1:])


def _array() -> Row:
    import numpy as np

    array = np.ones(1_250_000)
    deployed = nbfn.deploy(norm, memory=512)
    local = milliseconds(lambda: deployed.local(array), 20)
    times = milliseconds(lambda: deployed(array), 20, warm_up=3)
    return row("array-10mb", "ms", times, local, "the same function in this process")


def _import_time(runs: int = 7) -> Row:
    def spent(code: str) -> list[float]:
        return milliseconds(lambda: subprocess.run([sys.executable, "-c", code], check=True), runs)

    alone = spent("import IPython")
    both = spent("import IPython, nbfn")
    return row("import-time", "ms", both, alone, "import IPython alone")


def _path(deployed: nbfn.Function[..., object]) -> str:
    assert deployed.url is not None
    return urlsplit(deployed.url).path


def _instance_socket(session: Session) -> Path:
    return max(session.settings.run.glob("*/iofs/lsnr.sock"), key=lambda path: path.lstat().st_ctime)

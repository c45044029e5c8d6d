"""Calls of an instance that is there: through the executor, through nginx, and straight to its socket."""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import nbfn
from benchmarks import bare, nginx
from benchmarks.functions import increment, path_of
from benchmarks.measure import Row, milliseconds, row
from benchmarks.raw import RawClient, flood, post
from nbfn.drivers.sandbox.ground import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.session import Session

_DIRECT = "the instance's socket, directly"
_PEERS = {"": _DIRECT, "-bare": bare.NAME, "-nginx": nginx.NAME}
_CALL = post("/call", b'{"x": 1}')
_CLIENTS, _FLOODS = 16, 5


def rows(session: Session, *, rounds: int = 20, calls: int = 4000, gaps: int = 15) -> Iterator[Row]:
    """A call at a time, with and without gaps between them; then many clients at once."""
    deployed = nbfn.deploy(increment, name="warm", memory=128)
    deployed(1)
    through = post(path_of(deployed), b'{"x": 1}', session.endpoint.token)
    executor, instance = session.endpoint.socket, _newest_instance(session)
    assert executor is not None
    with tempfile.TemporaryDirectory(prefix="nbfn-n-") as folder, ExitStack() as stack:
        peers = {"": RawClient(instance)}
        if lacking := nginx.missing():
            print(f"without the rows of nginx: {lacking}", file=sys.stderr)
        else:
            proxied = stack.enter_context(nginx.proxy(instance, Path(folder) / "n"))
            peers["-nginx"] = RawClient(proxied)
        with RawClient(executor) as ours, ExitStack() as clients:
            peers["-bare"] = RawClient(clients.enter_context(bare.proxy(instance, Path(folder) / "b")))
            for each in peers.values():
                clients.enter_context(each)
            mine, theirs = _in_turn(ours, through, peers, rounds)
            for name, times in theirs.items():
                yield row(f"warm-call{name}", "ms", mine, times, _PEERS[name], digits=4)
            for gap_s, runs in ((0.1, gaps), (1.3, max(1, gaps // 3))):
                yield _after_a_gap(ours, through, peers[""], gap_s, runs)
        in_python = milliseconds(lambda: deployed(1), 25 * rounds, warm_up=50)
        yield row("python-call", "ms", in_python, theirs[""], _DIRECT, digits=4)
        # Nobody else is connected to the instance now: it takes sixteen connections.
        # One side after the other: only then do sixteen connections of a peer fit.
        direct = _rates(instance, _CALL, calls)
        proxies = _rates(proxied, _CALL, calls) if "-nginx" in peers else None
        ours_rate = _rates(executor, through, calls)
    used = _instances(session, deployed)
    if proxies:
        yield row("throughput-16", "/s", ours_rate, proxies, nginx.NAME, digits=0)
    yield row(
        "throughput-16-direct" if proxies else "throughput-16", "/s", ours_rate, direct, _DIRECT, digits=0
    )
    yield row("instances-at-16-clients", "", [used], [_CLIENTS], "one for each client", digits=0)


def _in_turn(
    ours: RawClient, through: bytes, peers: dict[str, RawClient], rounds: int
) -> tuple[list[float], dict[str, list[float]]]:
    """In turn, so that all meet the same noise."""
    mine: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in peers}
    for number in range(rounds + 2):
        batch = milliseconds(lambda: ours.exchange(through), 100, warm_up=0)
        mine += batch if number > 1 else []  # the first rounds warm up
        for name, peer in peers.items():
            batch = milliseconds(lambda: peer.exchange(_CALL), 100, warm_up=0)  # noqa: B023 - called at once
            theirs[name] += batch if number > 1 else []
    return mine, theirs


def _rates(at: Path, request: bytes, calls: int) -> list[float]:
    """Calls a second, several times; the first, which has instances start, does not count."""
    return [flood(at, request, clients=_CLIENTS, calls=calls) for _ in range(_FLOODS + 1)][1:]


def _after_a_gap(ours: RawClient, through: bytes, peer: RawClient, gap_s: float, runs: int) -> Row:
    """What freezes or ends instances that do nothing shows here."""
    mine, theirs = [], []
    for _ in range(runs):
        time.sleep(gap_s)
        mine += milliseconds(lambda: ours.exchange(through), 1, warm_up=0)
        time.sleep(gap_s)
        theirs += milliseconds(lambda: peer.exchange(_CALL), 1, warm_up=0)
    return row(f"warm-call-gap-{gap_s * 1000:.0f}ms", "ms", mine, theirs, _DIRECT, digits=4)


def _instances(session: Session, deployed: nbfn.Function[..., object]) -> int:
    assert deployed.deployment is not None
    with session.endpoint.client() as client:
        return len(client.get(f"/nbfn/v1/fns/{deployed.deployment.fn_id}/instances").json()["items"])


def _newest_instance(session: Session) -> Path:
    runs = [session.settings.run, *OPEN.glob("*/run")]
    found = (socket for run in runs for socket in run.glob("*/iofs/lsnr.sock"))
    return max(found, key=lambda path: path.lstat().st_ctime)

"""Many calls of many functions while instances are killed at random: ``make soak``.

Every call must end in its own value or in an error that says what happened, and when it is over nothing may
be left: no process, socket, descriptor or folder more than before, and no more memory than early on. Takes
about two minutes on two cores; ``python -m benchmarks.soak --calls 2000 --functions 10`` is its short form.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.raw import RawClient, post
from nbfn import config
from nbfn.containerize import Layout, build
from nbfn.drivers.sandbox.confine import proctree
from nbfn.spec import Capture, FunctionSpec, PythonVersion
from nbfn.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCE = "def f(x):\n    return [{number}, x]\n"
_PLACE, _FIRST = b"NNNNNNN", 1_000_000  # numbers of as many digits as there are places
_CLIENTS = 16
_IDLE_S = 1
_SETTLE_S = 60.0
_CLOSE_S = 5.0
_FLAT_MB = 12.0  # what an allocator may keep; a leak of 1 kB a call would be 100 MB


@dataclass(slots=True)
class Soak:
    """What came of it. ``lost`` are calls without any answer, ``wrong`` those with another's."""

    calls: int
    functions: int
    kills: int = 0
    seconds: float = 0.0
    good: int = 0
    lost: int = 0
    wrong: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Answers that are errors, by status and message."""
    recorded: int = 0
    """Calls that the executor counted."""
    resident_mb: list[float] = field(default_factory=list)
    """The executor's, at each tenth of the calls."""
    descriptors: tuple[int, int] = (0, 0)
    """The executor's: before, and after the instances have gone."""
    left: list[str] = field(default_factory=list)
    """What should have gone and has not."""

    @property
    def faults(self) -> list[str]:
        """What is not as it should be."""
        found = list(self.left)
        failed = sum(self.errors.values())
        if self.lost or self.wrong:
            found.append(f"{self.lost} calls had no answer, {self.wrong} a wrong one")
        if self.good + failed + self.lost + self.wrong != self.calls:
            found.append(f"{self.calls} calls became {self.good} good, {failed} failed")
        if self.recorded != self.calls:
            found.append(f"the executor counted {self.recorded} of {self.calls} calls")
        if failed > self.kills:
            found.append(f"{failed} calls failed by {self.kills} kills: {self.errors}")
        if unnamed := [text for text in self.errors if "killed by SIGKILL" not in text]:
            found.append(f"errors that do not say that the instance was killed: {unnamed}")
        if self.descriptors[1] > self.descriptors[0]:
            found.append(f"descriptors: {self.descriptors[0]} before, {self.descriptors[1]} after")
        if len(self.resident_mb) > 3 and self.resident_mb[-1] - self.resident_mb[2] > _FLAT_MB:
            found.append(f"memory grows: {self.resident_mb} MB")
        return found


def soak(calls: int, functions: int, *, kills_per_s: float = 20.0, seed: int = 0) -> Soak:
    """Run it, on an executor of its own."""
    found = Soak(calls, functions)
    with tempfile.TemporaryDirectory(prefix="nbfn-s-") as name:
        state = Path(name)
        with _serving(state) as (process, endpoint):
            requests = _deployed(state, endpoint, functions)
            for number, request in enumerate(requests):  # each once, so that what is kept for it is there
                with _client(endpoint) as caller:
                    assert json.loads(caller.exchange(_with(request, number))) == [number, _FIRST + number]
            _settled(endpoint, found)
            before = _descriptors(process.pid)
            counted = _counted(endpoint)
            _calling(found, state, process.pid, endpoint, requests, kills_per_s, random.Random(seed))
            _settled(endpoint, found)
            until = time.monotonic() + _CLOSE_S
            while (after := _descriptors(process.pid)) > before and time.monotonic() < until:
                time.sleep(0.05)  # connections of this process that it has closed
            found.descriptors = before, after
            found.recorded = _counted(endpoint) - counted
            process.send_signal(signal.SIGTERM)
            if process.wait(60) != 0:
                found.left.append(f"the executor ended with {process.returncode}")
        found.left += [f"{path} is left" for path in sorted((state / "run").glob("*"))]
        mark = os.fsencode(state)
        found.left += [f"process {pid} is left" for pid in _processes_with(mark)]
        if name in Path("/proc/self/mounts").read_text():
            found.left.append(f"a mount in {name} is left")
    return found


def _calling(
    found: Soak,
    state: Path,
    pid: int,
    endpoint: Endpoint,
    requests: list[bytes],
    kills_per_s: float,
    chance: random.Random,
) -> None:
    over, lock = threading.Event(), threading.Lock()
    errors: Counter[str] = Counter()
    todo = iter(range(found.calls))
    chosen = [chance.randrange(len(requests)) for _ in range(found.calls)]
    tenth = max(1, found.calls // 10)

    def work() -> None:
        with _client(endpoint) as caller:
            while True:
                with lock:
                    number = next(todo, None)
                    if number is None:
                        return
                    if number % tenth == 0:
                        found.resident_mb.append(round(_resident_mb(pid), 1))
                which = chosen[number]
                try:
                    status, body = caller.ask(_with(requests[which], number))
                except OSError:
                    caller.connect()
                    with lock:
                        found.lost += 1
                    continue
                with lock:
                    if status != 200:
                        errors[f"{status} {json.loads(body)['message']}"] += 1
                    elif json.loads(body) == [which, _FIRST + number]:
                        found.good += 1
                    else:
                        found.wrong += 1

    def kill() -> None:
        while not over.wait(chance.expovariate(kills_per_s)):
            folders = sorted(path.name for path in (state / "run").iterdir())
            living = [each for each in proctree.marked("NBFN_INSTANCE_ID").items() if each[1] in folders]
            if living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(sorted(living))[0], signal.SIGKILL)
                    found.kills += 1

    killing = threading.Thread(target=kill)
    killing.start()
    begin = time.perf_counter()
    try:
        with ThreadPoolExecutor(_CLIENTS) as pool:
            for each in [pool.submit(work) for _ in range(_CLIENTS)]:
                each.result()
    finally:
        found.seconds = round(time.perf_counter() - begin, 2)
        over.set()
        killing.join()
    found.errors = dict(errors)
    found.resident_mb.append(round(_resident_mb(pid), 1))


@contextlib.contextmanager
def _serving(state: Path) -> Iterator[tuple[subprocess.Popen[str], Endpoint]]:
    settings = replace(config.load(state=state, driver="sandbox"), port=None)
    command = [sys.executable, "-P", "-m", "nbfn", "serve"]
    with subprocess.Popen(
        command, env=config.environment(settings), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            if "serves" not in process.stdout.readline():
                raise RuntimeError("the executor did not start")
            yield (
                process,
                Endpoint("http://localhost", settings.socket, settings.token_file.read_text().strip()),
            )
        finally:
            process.kill()


def _deployed(state: Path, endpoint: Endpoint, functions: int) -> list[bytes]:
    """A request for each function; its number of seven digits is to be put in."""
    layout, python = Layout(state / "images"), PythonVersion(*sys.version_info[:2])
    requests = []
    with endpoint.client() as client:
        app_id = client.post("/v2/apps", json={"name": "soak"}).json()["id"]
        for number in range(functions):
            capture = Capture("f", "values", _SOURCE.format(number=number), python)
            image = build(FunctionSpec(f"f{number}", "soak"), capture, layout).image
            document = {
                "name": f"f{number}", "app_id": app_id, "image": str(image), "memory": 64,
                "idle_timeout": _IDLE_S,
            }  # fmt: skip
            made = client.post("/v2/fns", json=document)
            made.raise_for_status()
            requests.append(post(f"/invoke/{made.json()['id']}", _PLACE, endpoint.token))
    return requests


def _settled(endpoint: Endpoint, found: Soak) -> None:
    """Returns when the instances have ended for want of calls."""
    until = time.monotonic() + _SETTLE_S
    with endpoint.client() as client:
        while (number := client.get("/nbfn/v1/info").json()["instances"]) and time.monotonic() < until:
            time.sleep(0.1)
    if number:
        found.left.append(f"{number} instances do not end")


def _client(endpoint: Endpoint) -> RawClient:
    assert endpoint.socket is not None
    return RawClient(endpoint.socket)


def _with(request: bytes, number: int) -> bytes:
    return request.replace(_PLACE, b"%d" % (_FIRST + number))


def _counted(endpoint: Endpoint) -> int:
    with endpoint.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if re.match(r"fn_calls(_total)?\{", line))


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _resident_mb(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:"))


def _processes_with(mark: bytes) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has just ended
                if mark in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--functions", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="which calls and which kills")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("soak.json"))
    asked = parser.parse_args()
    found = soak(asked.calls, asked.functions, seed=asked.seed)
    asked.json.write_text(json.dumps({**asdict(found), "faults": found.faults}, indent=2) + "\n")
    print(
        f"{found.calls} calls of {found.functions} functions in {found.seconds} s"
        f" ({found.calls / found.seconds:.0f}/s), {found.kills} instances killed"
    )
    print(f"{found.good} good, {found.lost} lost, {found.wrong} wrong; errors:")
    for text, count in sorted(found.errors.items()):
        print(f"  {count:>6}  {text}")
    print(f"executor: {found.resident_mb} MB; descriptors before and after: {found.descriptors}")
    for fault in found.faults:
        print(f"FAULT {fault}")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())

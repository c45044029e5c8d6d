"""The executor killed while it is written to and called, and with more than it is made for."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.raw import flood, post
from nbfn.drivers.sandbox.confine import proctree
from tests.executor.functions import deploy, image
from tests.executor.test_process import endpoint, serving
from tests.executor.test_real import REAL, instances_of
from tests.misbehave.house import group_folders
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.transport import Endpoint

_FUNCTIONS = 4


def before_the_first(which: int) -> int:
    """The number of the write before the first one to this function: they count from 1."""
    return which - _FUNCTIONS if which else 0


class Load:
    """Callers and writers that go on until the executor is gone, and what it told them."""

    def __init__(self, where: Endpoint, fn_ids: list[str], app_id: str) -> None:
        self.apps: list[str] = []
        self.configured = [before_the_first(which) for which in range(len(fn_ids))]
        self.removed: list[str] = []
        self.answered = 0
        self.wrong: list[str] = []
        self._where, self._fn_ids, self._app_id = where, fn_ids, app_id
        works: list[Callable[[httpx.Client, int], None]] = [
            self._make,
            self._configure,
            self._call,
            self._call,
        ]
        self._threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]
        for each in self._threads:
            each.start()

    def _repeat(self, work: Callable[[httpx.Client, int], None]) -> None:
        with self._where.client() as client:
            number = 0
            while True:
                number += 1
                try:
                    work(client, number)
                except httpx.TransportError:
                    return

    def _make(self, client: httpx.Client, number: int) -> None:
        response = client.post("/v2/apps", json={"name": f"app-{number}"})
        response.raise_for_status()
        self.apps.append(f"app-{number}")
        if number % 3 == 0:
            assert client.delete(f"/v2/apps/{response.json()['id']}").status_code == 204
            self.removed.append(f"app-{number}")

    def _configure(self, client: httpx.Client, number: int) -> None:
        which = number % len(self._fn_ids)
        response = client.put(f"/v2/fns/{self._fn_ids[which]}", json={"config": {"N": str(number)}})
        response.raise_for_status()
        self.configured[which] = number

    def _call(self, client: httpx.Client, number: int) -> None:
        response = client.post(f"/invoke/{self._fn_ids[number % len(self._fn_ids)]}", json=number)
        if response.status_code != 200 or response.json() != number:
            self.wrong.append(response.text)
        self.answered += 1

    def join(self) -> None:
        for each in self._threads:
            each.join()


def marked(state: Path) -> list[str]:
    """What would have to be cleared up: folders of instances, cgroups, mounts."""
    found = [str(path) for path in (state / "run").glob("*")]
    found += [str(each) for path in group_folders(state) for each in path.iterdir() if each.is_dir()]
    return found + [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(state) in line]


@pytest.mark.parametrize("after", [1, 40])
def test_killed_under_load_it_keeps_what_it_acknowledged_and_leaves_nothing(state: Path, after: int) -> None:
    ref = image(state, "def f(x):\n    return x\n")
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        fn_ids = [deploy(client, ref, f"f{number}") for number in range(_FUNCTIONS)]
        app_id = client.get("/v2/apps").json()["items"][0]["id"]
        load = Load(endpoint(state), fn_ids, app_id)
        until(lambda: min(load.answered, len(load.apps), sum(load.configured)) >= after)
        process.kill()
        process.wait()
        load.join()
        assert load.wrong == []
        before = {path.name for path in (state / "run").iterdir()}
        until(lambda: instances_of(state) == [])
        # What was forked from a zygote has no word of the state folder: it ends by its guard, just as soon.
        until(lambda: not before & set(proctree.marked("NBFN_INSTANCE_ID").values()))
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        assert not before & {path.name for path in (state / "run").iterdir()}
        items, cursor = [], ""
        while True:
            page = client.get("/v2/apps", params={"per_page": 100, "cursor": cursor}).json()
            items += [each["name"] for each in page["items"]]
            if not (cursor := page.get("next_cursor", "")):
                break
        # One write more may have been under way, and done, without its answer.
        assert set(load.apps) - set(load.removed) - set(items) <= {load.apps[-1]}
        assert not set(load.removed) & set(items)
        for which, (fn_id, number) in enumerate(zip(fn_ids, load.configured, strict=True)):
            kept = client.get(f"/v2/fns/{fn_id}").json().get("config", {})
            assert int(kept.get("N", before_the_first(which))) in {number, number + _FUNCTIONS}
            response = client.post(f"/invoke/{fn_id}", json=7)
            assert (response.status_code, response.json()) == (200, 7)
        process.terminate()
        assert process.wait(timeout=30) == 0
    until(lambda: instances_of(state) == [])
    assert marked(state) == []


def test_killed_it_still_knows_the_detached_calls_that_it_acknowledged(state: Path) -> None:
    """Killed right behind each 202: the one that ran, the one that waited, and the one that was done."""
    ref = image(state, "import time\ndef f(s):\n    time.sleep(s)\n    return 'done'\n")
    detached = {"Fn-Invoke-Type": "detached"}
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        notes = {"nbfn.org/max-instances": 1}
        fn_id = deploy(client, ref, annotations=notes)
        short = client.post(f"/invoke/{fn_id}", json=0, headers=detached).headers["fn-call-id"]
        until(lambda: client.get(f"/nbfn/v1/calls/{short}").json()["status"] == 200)
        left = []
        for _ in range(2):
            answer = client.post(f"/invoke/{fn_id}", json=25, headers=detached)
            left.append(answer.headers["fn-call-id"])
        process.kill()
        process.wait()
        assert answer.status_code == 202
    said = "the executor was killed before the call was done"
    for _ in range(2):  # and goes on knowing it
        with serving(state, **REAL), endpoint(state).client() as client:
            for call_id in left:
                call = client.get(f"/nbfn/v1/calls/{call_id}").json()
                assert (call["fn_id"], call["status"], call["message"]) == (fn_id, 503, said)
                result = client.get(f"/nbfn/v1/calls/{call_id}/result")
                assert (result.status_code, result.json()) == (503, {"message": said})
            assert client.get(f"/nbfn/v1/calls/{short}").json()["status"] == 200
            assert client.get(f"/nbfn/v1/calls/{short}/result").status_code == 404
            listed = client.get(f"/nbfn/v1/fns/{fn_id}/calls").json()["items"]
            assert [call["id"] for call in listed] == [*reversed(left), short]
            again = client.post(f"/invoke/{fn_id}", json=0, headers={"Nbfn-Call-Id": left[0]})
            assert again.status_code == 409


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def test_a_thousand_functions_and_ten_thousand_calls_stay_within_bounds(state: Path) -> None:
    """Memory, that is; and once all is full, more calls take no more of it."""
    with serving(state, NBFN_MEMORY_MB="2048") as process, endpoint(state).client() as client:
        app_id = client.post("/v2/apps", json={"name": "shop"}).json()["id"]
        begin = resident_mb(process.pid)
        fn_ids = []
        for number in range(1000):
            made = client.post("/v2/fns", json={"name": f"f{number}", "app_id": app_id, "image": "it"})
            fn_ids.append(made.json()["id"])
        where = endpoint(state)
        assert where.socket is not None
        requests = [post(f"/invoke/{fn_id}", b"x", where.token) for fn_id in fn_ids[::20]]
        for request in requests:
            flood(where.socket, request, clients=4, calls=200)
        full = resident_mb(process.pid)
        calls = client.get(f"/nbfn/v1/fns/{fn_ids[-20]}/calls", params={"per_page": 100}).json()["items"]
        assert len(calls) == 100
        assert full - begin < 64
        for request in requests:
            flood(where.socket, request, clients=4, calls=100)
        assert resident_mb(process.pid) - full < 16
        assert sys.getsizeof(client.get("/metrics").text) < 2 << 20

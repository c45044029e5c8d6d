"""The whole executor with real instances: what only a process that runs a function can show."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.executor.functions import deploy, image
from tests.executor.test_process import endpoint, run, serving
from tests.until import until

if TYPE_CHECKING:
    import subprocess

REAL = {"NBFN_DRIVER": "sandbox"}


def instances_of(state: Path) -> list[int]:
    """Processes that were made for this state folder, by what is in their command line or environment."""
    mark, found = os.fsencode(state), []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has just ended
            if mark in (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def events(client: httpx.Client, kind: str) -> threading.Event:
    """Set when an event of this kind has been."""
    seen = threading.Event()

    def read() -> None:
        with client.stream("GET", "/nbfn/v1/events") as response:
            for line in response.iter_lines():
                if f'"kind":"{kind}"' in line:
                    seen.set()
                    return

    threading.Thread(target=read, daemon=True).start()
    return seen


def test_values_errors_output_and_timings_of_a_real_function(state: Path) -> None:
    source = "def f(x):\n    print('seen', x)\n    return 10 / x\n"
    with serving(state, **REAL), endpoint(state).client() as client:
        fn_id = deploy(client, image(state, source))
        response = client.post(f"/invoke/{fn_id}", json=4)
        assert (response.status_code, response.json()) == (200, 2.5)
        assert response.headers["nbfn-start"] == "cold"
        failed = client.post(f"/invoke/{fn_id}", json=0)
        assert failed.status_code == 502
        assert failed.json()["message"] == "function failed: ZeroDivisionError: division by zero"
        assert failed.headers["nbfn-start"] == "warm"
        for number, answer in ((4, response), (0, failed)):
            call_id = answer.headers["fn-call-id"]
            path = f"/nbfn/v1/fns/{fn_id}/logs"
            lines = client.get(path, params={"call_id": call_id}).json()["items"]
            text = "".join(line["text"] for line in lines if line["stream"] == "stdout")
            assert text == f"seen {number}\n"
        timings = client.get(f"/nbfn/v1/calls/{response.headers['fn-call-id']}").json()["timings_ms"]
        assert set(timings) == {"queue", "start", "import", "run", "total"}
        assert timings["total"] >= timings["run"]
        assert timings["start"] >= timings["import"]


def test_a_thread_that_logs_after_the_reply_hurts_nobody(state: Path) -> None:
    source = """
import threading
LINE = "x" * 1000
def flood():
    for _ in range(20_000):
        print(LINE)
    print("flooded", flush=True)
def f(x):
    if x:
        threading.Thread(target=flood, daemon=True).start()
    return x
"""
    with serving(state, **REAL), endpoint(state).client() as client:
        ref = image(state, source)
        noisy, quiet = deploy(client, ref, "noisy"), deploy(client, ref, "quiet")
        assert client.post(f"/invoke/{noisy}", json=1).json() == 1
        for _ in range(20):  # meanwhile
            assert client.post(f"/invoke/{quiet}", json=0).json() == 0
            assert client.post(f"/invoke/{noisy}", json=0).json() == 0
        kept = client.get(f"/nbfn/v1/fns/{noisy}/logs", params={"limit": "10000"}).json()["items"]
        by_call: dict[str, int] = {}
        for line in kept:
            by_call[line["call_id"]] = by_call.get(line["call_id"], 0) + len(line["text"])
        assert max(by_call.values()) < 2 << 20  # a mebibyte a call, and what follows it between calls
        (instance,) = client.get(f"/nbfn/v1/fns/{noisy}/instances").json()["items"]
        assert instance["calls"] == 21


def test_every_call_finds_its_own_output_however_many_there_are(state: Path) -> None:
    source = "def f(n):\n    print(f'<{n}>' + 'x' * n)\n"
    with serving(state, **REAL), endpoint(state).client() as client:
        fn_id = deploy(client, image(state, source))
        ids = {
            n: client.post(f"/invoke/{fn_id}", json=n).headers["fn-call-id"]
            for n in (*range(40), 60_000, 70_000, 200_000)
        }
        for n, call_id in ids.items():
            items = client.get(f"/nbfn/v1/fns/{fn_id}/logs", params={"call_id": call_id}).json()["items"]
            assert "".join(item["text"] for item in items) == f"<{n}>" + "x" * n + "\n"


def test_a_process_that_dies_in_a_call_is_named_by_its_signal(state: Path) -> None:
    source = "import os\ndef f(n):\n    os.kill(os.getpid(), n) if n else None\n    return 'alive'\n"
    with serving(state, **REAL), endpoint(state).client() as client:
        fn_id = deploy(client, image(state, source))
        response = client.post(f"/invoke/{fn_id}", json=int(signal.SIGSEGV))
        assert response.status_code == 502
        assert response.json()["message"] == "error receiving function response: killed by SIGSEGV"
        assert client.post(f"/invoke/{fn_id}", json=0).headers["nbfn-cold-reason"] == "crashed"


def test_an_image_that_is_not_there_is_said(state: Path) -> None:
    with serving(state, **REAL), endpoint(state).client() as client:
        fn_id = deploy(client, image(state, "def f(): pass"), image=f"nbfn.local/shop/f@sha256:{'0' * 64}")
        response = client.post(f"/invoke/{fn_id}")
        assert response.status_code == 502
        assert response.json()["message"].startswith("Failed to pull image 'nbfn.local/shop/f@sha256:000")


def a_running_call(client: httpx.Client, fn_id: str) -> tuple[threading.Thread, list[httpx.Response]]:
    """A call that has begun: who waits for it, and where its answer comes."""
    started = events(client, "call.started")
    answers: list[httpx.Response] = []
    calling = threading.Thread(target=lambda: answers.append(client.post(f"/invoke/{fn_id}")))
    calling.start()
    assert started.wait(30)
    return calling, answers


@pytest.mark.parametrize("how", ["SIGTERM", "stop"])
def test_a_running_call_is_finished_before_the_end(state: Path, how: str) -> None:
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        # For longer than any fixed grace was: its own timeout is all that ends it.
        fn_id = deploy(client, image(state, "import time\ndef f():\n    time.sleep(6)\n    return 'done'\n"))
        calling, answers = a_running_call(client, fn_id)
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            found = run(state, "stop")
            said = (found.returncode, found.stdout)
            assert said == (0, f"stopped the executor (pid {process.pid})\n")
            assert found.stderr.startswith("waiting for 1 call, until their timeouts at most")
        assert process.wait(timeout=30) == 0
        calling.join()
        assert answers[0].json() == "done"
        assert process.stderr
        log = process.stderr.read()
        assert "waiting for calls that run (1), until their timeouts at most" in log
        assert "calls that were cut off: 0" in log
    assert instances_of(state) == []


def test_a_call_that_outlives_the_grace_is_answered_and_nothing_is_left(state: Path) -> None:
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        fn_id = deploy(client, image(state, "import time\ndef f():\n    time.sleep(25)\n"))
        calling, answers = a_running_call(client, fn_id)
        found = run(state, "stop", "--grace", "0.1")
        said = (found.returncode, found.stdout)
        assert said == (0, f"stopped the executor (pid {process.pid}); 1 call cut off\n")
        assert process.wait(timeout=30) == 0
        calling.join()
        assert answers[0].status_code == 503
    assert instances_of(state) == []


@pytest.mark.parametrize("how", ["SIGTERM", "stop"])
def test_a_second_time_it_ends_at_once(state: Path, how: str) -> None:
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        fn_id = deploy(client, image(state, "import time\ndef f():\n    time.sleep(25)\n"))
        calling, answers = a_running_call(client, fn_id)
        first: list[subprocess.CompletedProcess[str]] = []
        stopping = threading.Thread(target=lambda: first.append(run(state, "stop")))
        stopping.start()
        until(lambda: not (state / "executor.json").exists())
        if how == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            found = run(state, "stop")
            assert (found.returncode, "stopping already" in found.stderr) == (0, True)
        assert process.wait(timeout=15) == 0
        calling.join()
        stopping.join()
        assert answers[0].status_code == 503
        assert first[0].stdout.endswith("; 1 call cut off\n")
    assert instances_of(state) == []


def test_killed_in_the_middle_of_a_call_no_process_is_left_and_functions_are(state: Path) -> None:
    ref = image(state, "import time\ndef f(s):\n    time.sleep(s)\n    return 'done'\n")
    with serving(state, **REAL) as process, endpoint(state).client() as client:
        fn_id = deploy(client, ref)
        started = events(client, "call.started")

        def call() -> None:
            with pytest.raises(httpx.TransportError):
                client.post(f"/invoke/{fn_id}", json=25)

        calling = threading.Thread(target=call)
        calling.start()
        assert started.wait(30)
        assert instances_of(state)
        process.kill()
        process.wait()
        calling.join()
        until(lambda: instances_of(state) == [])
    with serving(state, **REAL), endpoint(state).client() as client:
        assert client.post(f"/invoke/{fn_id}", json=0).json() == "done"


def test_sixteen_callers_at_once(state: Path) -> None:
    with serving(state, **REAL), endpoint(state).client() as client:
        fn_id = deploy(client, image(state, "def f(x):\n    return x\n"))
        wrong: list[object] = []

        def calls(caller: int) -> None:
            for number in range(10):
                answer = client.post(f"/invoke/{fn_id}", json=[caller, number])
                if answer.status_code != 200 or answer.json() != [caller, number]:
                    wrong.append(answer.text)

        threads = [threading.Thread(target=calls, args=(caller,)) for caller in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert len(client.get(f"/nbfn/v1/fns/{fn_id}/instances").json()["items"]) <= 16

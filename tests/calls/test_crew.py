"""Background threads: bounded, reused, and no reason for a process to stay."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from nbfn.calls.crew import Crew
from nbfn.calls.ids import new_call_id
from nbfn.executor.ids import is_id


def test_no_more_at_once_than_allowed_and_all_in_the_end() -> None:
    crew, lock, go = Crew(most=3), threading.Lock(), threading.Event()
    running, most = 0, 0
    full = threading.Event()

    def work() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
        go.wait(60)
        with lock:
            running -= 1
        return threading.current_thread().name

    futures = [crew.start(work) for _ in range(10)]
    assert full.wait(60)
    assert futures[-1].cancel()
    go.set()
    assert {future.result(60) for future in futures[:-1]} == {"nbfn-call"}
    assert most == 3
    with pytest.raises(ZeroDivisionError):
        crew.start(lambda: 1 // 0).result(60)


def test_a_call_that_never_ends_does_not_keep_the_process() -> None:
    code = (
        "import threading\n"
        "from nbfn.calls.crew import crew\n"
        "begun = threading.Event()\n"
        "crew().start(lambda: (begun.set(), threading.Event().wait()))\n"
        "begun.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=True).returncode == 0


def test_ids_have_the_form_of_the_executors() -> None:
    ids = [new_call_id() for _ in range(100)]
    assert all(map(is_id, ids))
    assert len(set(ids)) == 100

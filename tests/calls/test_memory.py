"""Large values through memory that both sides see: real functions, instances, and an executor."""

from __future__ import annotations

import gc
import mmap
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nbfn.errors import InstanceFailed
from nbfn.invoke import Caller, memory
from nbfn.runtime import wire
from tests.until import until

if TYPE_CHECKING:
    from tests.calls.conftest import Lab

CELL = """
    import numpy as np
    import os

    kept = []

    def backing(value):
        "What the bytes of an array are in."
        while isinstance(value, (np.ndarray, memoryview)):
            value = value.obj if isinstance(value, memoryview) else value.base
        return type(value).__name__

    def seen():
        "Inodes of shared memory that this process has mapped."
        with open("/proc/self/maps") as maps:
            return [line.split()[4] for line in maps if "memfd:nbfn-call" in line]

    def look(value=None):
        return backing(value), seen()

    def double(value: np.ndarray):
        value *= 2
        return value

    def keep(value: np.ndarray):
        kept.append(value)
        return [float(each[0]) for each in kept]

    def fail(value: np.ndarray):
        raise LookupError("no")

    def other(value=None):
        return len(np.atleast_1d(value)), seen()

    def die(value: np.ndarray):
        os._exit(3)
"""

LARGE = 400_000


def backing(value: Any) -> type[object]:
    """What the bytes of an array are in."""
    while isinstance(value, np.ndarray | memoryview):
        value = value.obj if isinstance(value, memoryview) else value.base
    return bytearray if isinstance(value, bytearray) else mmap.mmap


def sheets(pid: int | str = "self") -> set[str]:
    """Inodes of the shared memory that a process has mapped."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split()[4] for line in lines if f"memfd:{wire.MEMORY_NAME}" in line}


def holders(inode: str) -> list[int]:
    """Processes that have it mapped, of those that may be looked at."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if inode in sheets(process.name):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.fixture(scope="module")
def arrays(lab: Lab) -> Lab:
    lab._notebook.run(CELL)
    return lab


def test_large_arrays_cross_in_memory_both_ways(arrays: Lab) -> None:
    values = np.arange(LARGE, dtype="f8")
    assert arrays["look"](values)[0] == "bytearray"  # nobody has said yet that it shares
    assert arrays["look"](values)[0] == "mmap"
    assert arrays["look"](values[:100])[0] == "bytearray"  # too small to be worth it
    first = arrays["double"](values)
    assert backing(first) is bytearray
    second = arrays["double"](values)
    assert backing(second) is mmap.mmap
    for result in (first, second):
        assert np.array_equal(result, np.arange(LARGE) * 2.0)
        result[0] = 5.0  # writable
    assert values[1] == 1.0  # and nobody writes here


def test_what_came_stays_as_it_is_for_as_long_as_somebody_has_it(arrays: Lab) -> None:
    results = [arrays["double"](np.full(LARGE, float(n))) for n in range(6)]
    assert [result[-1] for result in results] == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    for n in range(4):  # the function keeps each
        assert arrays["keep"](np.full(LARGE, float(n))) == [float(each) for each in range(n + 1)]
    many = len(sheets())
    del results
    gc.collect()
    for n in range(20):  # what nobody has is used again
        arrays["double"](np.full(LARGE, float(n)))
    assert len(sheets()) <= many


def test_a_function_that_raises_gives_its_memory_back(arrays: Lab) -> None:
    values = np.ones(LARGE)
    for _ in range(3):
        with pytest.raises(LookupError):
            arrays["fail"](values)
    before = len(sheets())
    for _ in range(5):
        with pytest.raises(LookupError):
            arrays["fail"](values)
    assert len(sheets()) <= before


def test_another_function_sees_none_of_it(arrays: Lab) -> None:
    values = np.ones(LARGE)
    for name in ("look", "other"):
        arrays[name](values)
    mine = {inode for _ in range(3) for inode in arrays["look"](values)[1]}
    others = {inode for _ in range(3) for inode in arrays["other"](values)[1]}
    assert mine
    assert others
    assert not mine & others


def test_many_at_once(arrays: Lab) -> None:
    values = [np.full(LARGE, float(n)) for n in range(12)]
    results = list(arrays["double"].map(values, concurrency=3))
    assert [float(result[7]) for result in results] == [2.0 * n for n in range(12)]


def test_an_instance_that_dies_leaves_nothing(arrays: Lab) -> None:
    die = arrays.made("die", name="die", memory=128)
    with pytest.raises(InstanceFailed):
        die(np.ones(LARGE))
    info = arrays.session.endpoint.client()
    with info:
        pid = info.get("/nbfn/v1/info").json()["pid"]
    open_files = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115
    assert not [each for each in open_files if "memfd" in each]


def test_what_is_free_is_not_kept_for_long(arrays: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT_S", 0.05)
    for name in ("look", "double"):
        arrays[name](np.ones(LARGE))
    assert sheets()
    arrays["double"](np.ones(1))  # its `last` result is another one now
    until(lambda: not sheets())


CLIENT = """
    import numpy as np, nbfn, sys, time
    from nbfn import config, session
    session.use(session.Session(config.load({"NBFN_STATE": sys.argv[1], "NBFN_LINGER_S": "2"})))

    def wait(value):
        import numpy
        import time
        if len(value) == 1:
            return 0
        print("begun", flush=True)
        time.sleep(600)

    remote = nbfn.function(wait, name="waits")
    remote(np.ones(1))
    call = remote.spawn(np.ones(400_000))
    while "begun" not in call.logs().text:
        time.sleep(0.02)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_caller_that_is_killed_leaves_nothing(arrays: Lab, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(textwrap.dedent(CLIENT))
    state = str(arrays.session.settings.state)
    with subprocess.Popen([sys.executable, str(script), state], stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == "ready\n"
        (inode,) = sheets(client.pid)
        assert client.pid in holders(inode)
        client.kill()
    until(lambda: not holders(inode))


FORWARD = """
    import socket, sys, threading
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    print("ready", flush=True)

    def pump(origin, to):
        while data := origin.recv(1 << 16):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)

    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        far.connect(sys.argv[2])
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
"""


def test_where_memory_cannot_be_shared_the_body_holds_it(arrays: Lab, tmp_path: Path) -> None:
    """As when the executor does not see who calls: here a process is in between."""
    look = arrays["look"]
    look(1)
    near = arrays.session.settings.state / "near.sock"
    script = tmp_path / "forward.py"
    script.write_text(textwrap.dedent(FORWARD))
    command = [sys.executable, str(script), str(near), str(arrays.session.endpoint.socket)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        assert forward.stdout.readline() == "ready\n"
        caller = Caller(replace(arrays.session.endpoint, socket=near))
        deployment, context = look._deployed()
        for _ in range(3):
            result = caller.call(deployment, [np.ones(LARGE)], {}, context)
            assert result.value[0] == "bytearray"
        caller.close()
        forward.kill()

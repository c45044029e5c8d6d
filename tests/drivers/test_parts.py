"""Decisions of the drivers that need no process."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.drivers import exits
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox import image, interpreter, leftovers, roots
from nbfn.drivers.sandbox.confine import landlock, proctree, seccomp

ALLOW, EPERM, ENOSYS, NO_FAMILY, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x50061, 0x80000000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
CLONE, SOCKET, READ, UNSHARE = 56, 41, 0, 272


def run_filter(program: bytes, number: int, arch: int = ARCH["x86_64"], first_argument: int = 0) -> int:
    """What the kernel would do with a call: an interpreter of the few instructions that are used."""
    data = struct.pack("<IIQQ", number, arch, 0, first_argument)
    steps = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = steps[at]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
            at += 1
            continue
        met = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
        at += 1 + (if_true if met else if_false)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(sorted(ARCH)))
def test_every_call_gets_a_verdict(number: int, argument: int, network: bool, machine: str) -> None:
    verdict = run_filter(seccomp.program(machine, network=network), number, ARCH[machine], argument)
    assert verdict in {ALLOW, EPERM, ENOSYS, NO_FAMILY}


def test_the_filter_knows_right_from_wrong() -> None:
    program = seccomp.program("x86_64", network=False)
    assert run_filter(program, READ) == ALLOW
    assert run_filter(program, UNSHARE) == EPERM
    assert run_filter(program, 435) == ENOSYS
    assert run_filter(program, READ | 0x40000000) == ENOSYS
    assert run_filter(program, READ, arch=0x40000003) == KILL
    for thread_or_fork in (0x3D0F00, 0x1200011):
        assert run_filter(program, CLONE, first_argument=thread_or_fork) == ALLOW
    for bit in (0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert run_filter(program, CLONE, first_argument=bit | signal.SIGCHLD) == EPERM
    assert run_filter(program, SOCKET, first_argument=1) == ALLOW
    assert run_filter(program, SOCKET, first_argument=2) == NO_FAMILY
    with_network = seccomp.program("x86_64", network=True)
    assert run_filter(with_network, SOCKET, first_argument=2) == ALLOW


def test_a_machine_without_a_filter_is_told() -> None:
    with pytest.raises(OSError, match="seccomp: no filter for riscv64"):
        seccomp.program("riscv64", network=True)


@given(st.integers(0, 20))
def test_landlock_asks_only_for_what_its_version_knows(version: int) -> None:
    known = landlock.handled_access(version)
    assert known & ((1 << 13) - 1) == (1 << 13) - 1
    assert bool(known >> 13 & 1) == (version >= 2)
    assert bool(known >> 14 & 1) == (version >= 3)
    assert bool(known >> 15 & 1) == (version >= 5)


@given(st.integers(0, 255))
def test_exit_codes_are_named(code: int) -> None:
    end = exits.from_status(code << 8)
    assert (end.code, end.signal, end.cause) == (code, None, f"exit code {code}")


@given(st.integers(1, 64), st.booleans())
def test_signals_are_named(number: int, core: bool) -> None:
    end = exits.from_status(number | (0x80 if core else 0))
    assert (end.code, end.signal) == (None, number)
    assert end.cause.startswith("killed by ")
    assert exits.signal_name(11) == "SIGSEGV"
    assert exits.signal_name(35) == "signal 35"


def test_the_last_line_is_the_one_that_says_something() -> None:
    assert exits.last_line("Traceback:\n  File x\nValueError: no\n\n  \n") == "ValueError: no"
    assert exits.last_line("") == ""


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("1000:1000", (1000, 1000)),
        ("7", (7, 7)),
        ("7:8", (7, 8)),
        ("7:staff", (7, 7)),
        ("", (1000, 1000)),
        ("root", (1000, 1000)),
        ("0:0", (1000, 1000)),
    ],
)
def test_nothing_runs_as_root(text: str, user: tuple[int, int]) -> None:
    program = image.read({"config": {"Entrypoint": ["x"], "User": text}}, [])
    assert (program.uid, program.gid) == user


def test_what_an_image_runs() -> None:
    runs = {"Entrypoint": ["a", "b"], "Cmd": ["c"], "Env": ["X=1=2", "Y="], "WorkingDir": "/w"}
    program = image.read({"config": {**runs, "Labels": {"org.nbfn.host": "cp"}}}, [])
    assert (program.argv, program.env, program.cwd) == (("a", "b", "c"), {"X": "1=2", "Y": ""}, "/w")
    assert program.host == "cp"
    with pytest.raises(StartFailed, match="nothing to run"):
        image.read({"config": {}}, [])
    with pytest.raises(StartFailed, match=r"^image has Volume definition: /a, /b\n") as caught:
        image.read({"config": {**runs, "Volumes": {"/b": {}, "/a": {}}}}, [])
    assert caught.value.stage == "refused"


def test_files_are_found_in_the_topmost_layer(tmp_path: Path) -> None:
    for layer in ("a", "b"):
        (tmp_path / layer / "function").mkdir(parents=True)
    (tmp_path / "a" / "python").mkdir()
    program = image.read({"config": {"Cmd": ["x"]}}, [tmp_path / "a", tmp_path / "b"])
    assert program.find("/function") == tmp_path / "b" / "function"
    assert program.find("/python") == tmp_path / "a" / "python"
    assert program.find("/nowhere") is None


def test_a_host_root_shows_what_it_must_and_no_more(tmp_path: Path) -> None:
    for folder in ("l1/opt/nbfn", "l1/opt/more", "l2/function", "iofs", "root"):
        (tmp_path / folder).mkdir(parents=True)
    plan = roots.host_root(
        interpreter.base(),
        [tmp_path / "l1", tmp_path / "l2"],
        roots.Own(tmp_path / "root", 64, iofs=tmp_path / "iofs"),
        1000,
    )
    targets = [bind["target"] for bind in plan["binds"]]
    assert len(targets) == len(set(targets))
    assert {"/usr", "/opt/nbfn", "/opt/more", "/function", "/tmp/iofs", "/dev/null"} <= set(targets)
    assert not {"/", "/home", "/root", "/proc", "/sys", "/var", "/run", "/tmp", "/etc"} & set(targets)
    assert [b["target"] for b in plan["binds"] if b["write"] and not b["device"]] == ["/tmp/iofs"]
    assert all(Path(bind["source"]).exists() for bind in plan["binds"])


def test_two_layers_cannot_hold_the_same_folder(tmp_path: Path) -> None:
    layers = [tmp_path / "l1", tmp_path / "l2"]
    for layer in layers:
        (layer / "function").mkdir(parents=True)
    with pytest.raises(StartFailed, match="holds /function, which is already there"):
        roots.host_root(interpreter.base(), layers, roots.Own(tmp_path, 64, iofs=tmp_path), 1000)


def test_the_process_tree_of_this_test_is_seen() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    try:
        assert child in proctree.children(os.getpid())
        assert child in proctree.descendants(os.getpid())
        assert proctree.private_bytes([child]) > 0
        assert 0 < proctree.proportional_bytes([child]) <= proctree.resident_bytes([child]) * 2
        assert proctree.tasks_of(os.geteuid()) >= 2
    finally:
        os.close(writing)
        os.close(reading)
        os.waitpid(child, 0)
    gone = [child]
    assert (proctree.children(child), proctree.private_bytes(gone), proctree.cpu_s(gone)) == ([], 0, 0.0)


def test_folders_are_removed_even_when_they_were_closed_up(tmp_path: Path) -> None:
    inner = tmp_path / "run" / "iofs" / "deep"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    (inner / "link").symlink_to("/etc")
    for folder in (inner, inner.parent):
        folder.chmod(0)
    leftovers.remove(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    leftovers.remove(tmp_path / "run")
    assert Path("/etc").exists()


def test_a_layer_that_is_there_twice_counts_where_it_is_topmost(tmp_path: Path) -> None:
    layers = [tmp_path / name for name in ("base", "empty", "code", "empty")]
    plan = roots.image_root(layers, roots.Own(tmp_path, 64, iofs=tmp_path))
    assert plan["overlay"] == [str(tmp_path / name) for name in ("base", "code", "empty")]

"""The executor as a process of its own: listeners, files, and all the ways in which it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbfn import config
from nbfn.transport import Endpoint
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

NBFN = [sys.executable, "-P", "-m", "nbfn"]


def environment(state: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NBFN_")}
    return {**kept, "NBFN_STATE": str(state), "NBFN_DRIVER": "fake", **more}


def note_of(state: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((state / "executor.json").read_text())
    return found


def endpoint(state: Path, *, tcp: bool = False) -> Endpoint:
    note = note_of(state)
    socket_path = None if tcp else config.load({"NBFN_STATE": str(state)}).socket
    return Endpoint(note["url"], socket_path, (state / "token").read_text().strip())


@contextmanager
def serving(state: Path, *options: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """``nbfn serve`` that listens; killed at the end if it is still there."""
    process = subprocess.Popen(
        [*NBFN, "serve", *options],
        env=environment(state, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    try:
        said = process.stdout.readline()
        if "serves" not in said:
            pytest.fail(f"it did not start: {said}{process.stderr.read()}")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def run(state: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NBFN, *arguments],
        env=environment(state, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def fill(path: Path) -> None:
    """Write to ``path`` until its disk is full."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def deploy(client: httpx.Client, name: str = "greet") -> str:
    app = client.post("/v2/apps", json={"name": "shop"}).json()
    fn = client.post("/v2/fns", json={"name": name, "app_id": app["id"], "image": "it"}).json()
    return str(fn["id"])


def test_it_serves_on_its_socket_and_on_tcp_to_who_has_the_token(state: Path) -> None:
    with serving(state):
        note = note_of(state)
        assert set(note) == {"pid", "version", "api", "socket", "url", "started_at"}
        for tcp in (False, True):
            with endpoint(state, tcp=tcp).client() as client:
                info = client.get("/nbfn/v1/info").json()
                assert (info["pid"], info["url"], info["socket"]) == (
                    note["pid"],
                    note["url"],
                    note["socket"],
                )
                assert client.get("/", headers={"Authorization": "Bearer no"}).status_code == 401
                assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
            known = endpoint(state, tcp=tcp)
            with Endpoint(known.url, known.socket).client() as client:
                assert client.get("/nbfn/v1/info").status_code == 401


def test_what_it_leaves_in_the_folder_is_for_its_owner_alone(state: Path) -> None:
    state.chmod(0o755)
    (state / "token").write_text("0123456789abcdef0123\n")
    (state / "token").chmod(0o644)
    with serving(state):
        for name in ("executor.json", "executor.sock", "token", "nbfn.db"):
            assert (state / name).stat().st_mode & 0o777 == 0o600, name
        for folder in (state, state / "run"):
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        assert endpoint(state).token == "0123456789abcdef0123"


def test_a_token_that_is_none_is_refused_with_what_to_do(state: Path) -> None:
    (state / "token").write_text("short\n")
    (state / "token").chmod(0o600)
    found = run(state, "serve")
    assert found.returncode == 1
    assert f"{state / 'token'} holds no token" in found.stderr
    assert "remove it" in found.stderr
    assert "short\n" not in found.stderr.replace("16 characters", "")


def test_a_second_one_is_refused_and_names_the_first(state: Path) -> None:
    with serving(state) as first:
        second = run(state, "serve")
        assert second.returncode == 1
        assert f"(pid {first.pid}) already serves {state}" in second.stderr
        assert "Traceback" not in second.stderr
        with endpoint(state).client() as client:
            assert client.get("/version").status_code == 200


def test_a_port_that_is_taken_is_named(state: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = run(state, "serve", "--port", str(port))
        assert found.returncode == 1
        assert f"cannot listen on 127.0.0.1 port {port}" in found.stderr
    assert not (state / "executor.sock").exists()


def test_it_can_do_without_tcp(state: Path) -> None:
    with serving(state, "--port", "off"):
        assert note_of(state)["url"] == "http://localhost"
        with endpoint(state).client() as client:
            assert client.get("/version").status_code == 200


def test_killed_in_the_middle_of_a_call_it_leaves_functions_and_the_next_one_starts(state: Path) -> None:
    with serving(state) as process, endpoint(state).client() as client:
        fn_id = deploy(client)
        assert client.post(f"/invoke/{fn_id}", content=b"x").status_code == 200
        # flushed by the reading; what a killed executor had not written it does not have
        assert len(client.get(f"/nbfn/v1/fns/{fn_id}/calls").json()["items"]) == 1
        process.kill()
        process.wait()
        assert (state / "executor.sock").exists()
        assert (state / "executor.json").exists()
    assert run(state, "status").returncode == 3
    with serving(state), endpoint(state).client() as client:
        response = client.post(f"/invoke/{fn_id}", content=b"again")
        assert (response.content, response.headers["nbfn-cold-reason"]) == (b"again", "executor-restarted")


def test_a_file_that_is_no_socket_is_not_removed(state: Path) -> None:
    (state / "executor.sock").write_text("mine")
    found = run(state, "serve")
    assert found.returncode == 1
    assert "it is no socket" in found.stderr
    assert (state / "executor.sock").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_clears_up(state: Path, number: signal.Signals) -> None:
    with serving(state) as process:
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
    assert sorted(path.name for path in state.iterdir()) == ["executor.lock", "nbfn.db", "run", "token"]


def test_open_streams_do_not_hold_up_the_end(state: Path) -> None:
    with (
        serving(state) as process,
        endpoint(state).client() as client,
        client.stream("GET", "/nbfn/v1/lease"),
        client.stream("GET", "/nbfn/v1/events"),
    ):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_it_waits_longer_for_its_first_user_than_after_its_last(state: Path) -> None:
    with serving(state, "--linger", "0.1") as process, endpoint(state).client() as client:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        with client.stream("GET", "/nbfn/v1/lease"):
            pass
        assert process.wait(timeout=30) == 0
    assert not (state / "executor.json").exists()


def test_with_a_lease_it_stays_and_without_it_it_ends(state: Path) -> None:
    with serving(state, "--linger", "1") as process, endpoint(state).client() as client:
        with client.stream("GET", "/nbfn/v1/lease"), pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)
        assert process.wait(timeout=30) == 0


def test_detached_it_says_where_it_is_and_lives_on_alone(state: Path) -> None:
    found = run(state, "serve", "--detach", "--linger", "60")
    assert (found.returncode, found.stderr) == (0, "")
    note = json.loads(found.stdout)
    assert note == note_of(state)
    assert endpoint(state).token not in found.stdout
    assert os.getsid(note["pid"]) != os.getsid(0)
    assert [Path(f"/proc/{note['pid']}/fd/{fd}").readlink() for fd in (0, 1, 2)] == [
        Path("/dev/null"),
        state / "executor.log",
        state / "executor.log",
    ]
    with endpoint(state).client() as client:
        fn_id = deploy(client)
        client.put(f"/v2/fns/{fn_id}", json={"config": {"NBFN_KEY": "feedfacefeedface"}})
        client.post(f"/invoke/{fn_id}")
    again = run(state, "serve", "--detach")
    assert (again.returncode, again.stdout) == (1, "")
    assert f"(pid {note['pid']}) already serves" in again.stderr
    assert run(state, "stop").returncode == 0
    log = (state / "executor.log").read_text()
    assert "listening on" in log
    assert "feedface" not in log
    assert not (state / "executor.sock").exists()


def test_the_log_of_a_detached_one_is_bounded(state: Path) -> None:
    (state / "executor.log").write_text("old\n" * 300_000)
    (state / "token").write_text("short")
    assert run(state, "serve", "--detach").returncode == 1
    assert (state / "executor.log").stat().st_size < 10_000
    assert (state / "executor.log.1").exists()


@pytest.mark.needs("root")
def test_a_full_disk_is_an_answer_and_leaves_what_was_there(state: Path) -> None:
    disk = state / "d"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        lacking(f"no tmpfs can be mounted here: {mounted.stderr.decode()}")
    try:
        with serving(disk), endpoint(disk).client() as client:
            fn_id = deploy(client)
            fill(disk / "filler")
            response = client.post("/v2/apps", json={"name": "big", "config": {"X": "x" * 100_000}})
            assert response.status_code == 507
            assert str(disk / "nbfn.db") in response.json()["message"]
            assert "free some space" in response.json()["message"]
            # Calls go on, and what was there is there.
            assert client.post(f"/invoke/{fn_id}", content=b"x").content == b"x"
            assert [app["name"] for app in client.get("/v2/apps").json()["items"]] == ["shop"]
            (disk / "filler").unlink()
            assert client.post("/v2/apps", json={"name": "big"}).status_code == 200
    finally:
        subprocess.run(["umount", "-l", disk], check=True)

"""The ``nbfn`` command as a person meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import nbfn
from tests.executor.test_process import NBFN, deploy, endpoint, environment, run, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_version_and_help(state: Path) -> None:
    assert run(state, "--version").stdout == f"nbfn, version {nbfn.__version__}\n"
    for arguments in (["--help"], ["serve", "--help"], ["status", "-h"], ["stop", "-h"]):
        found = run(state, *arguments)
        assert (found.returncode, found.stderr) == (0, "")
        assert found.stdout.startswith("Usage: ")


def test_help_brings_in_nothing_heavy(state: Path) -> None:
    script = (
        "import sys; from nbfn.commands.main import cli; "
        "print(sorted({'starlette', 'uvicorn', 'httpx', 'uvloop', 'sqlite3', 'asyncio'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], env=environment(state), capture_output=True, text=True, check=True
    )
    assert found.stdout == "[]\n"


def test_status_and_stop_without_an_executor(state: Path) -> None:
    found = run(state, "status")
    assert (found.returncode, found.stdout) == (3, f"no executor is running for {state}\n")
    found = run(state, "status", "--json")
    assert (found.returncode, json.loads(found.stdout)) == (3, {"running": False, "state": str(state)})
    found = run(state, "stop")
    assert (found.returncode, found.stdout) == (0, f"no executor is running for {state}\n")
    assert run(state, "status", "--state", str(state / "nosuch")).returncode == 3


def test_requests_are_shown_to_who_asks(state: Path) -> None:
    with serving(state):
        quiet, told = run(state, "list", "apps"), run(state, "list", "apps", DEBUG="1")
        assert quiet.stderr == "No apps found\n"
        assert re.search(r'^HTTP Request: GET http://\S+/v2/apps\S* "HTTP/1.1 200 OK"$', told.stderr, re.M)
        assert "Bearer" not in told.stderr


def test_status_tells_functions_and_their_instances(state: Path) -> None:
    with serving(state) as process, endpoint(state).client() as client:
        fn_id = deploy(client)
        client.post(f"/invoke/{fn_id}")
        found = run(state, "status")
        assert found.returncode == 0
        assert f"is running, pid {process.pid}, {state}" in found.stdout
        assert "shop/greet  1 idle" in found.stdout
        told = json.loads(run(state, "status", "--json").stdout)
        assert (told["running"], told["pid"]) == (True, process.pid)
        (function,) = told["functions"]
        assert (function["app"], function["name"], len(function["instances"])) == ("shop", "greet", 1)
        assert endpoint(state).token not in found.stdout


def test_serve_says_where_it_listens_and_how_to_try_it(state: Path) -> None:
    with serving(state) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        command = lines[2].split("try", 1)[1].strip()
        assert "curl" in command
        assert endpoint(state).token not in "".join(lines)
        assert lines[1].split() == ["url", endpoint(state, tcp=True).url]


def test_stop_returns_when_it_is_gone(state: Path) -> None:
    with serving(state) as process:
        found = run(state, "stop")
        assert (found.returncode, found.stdout) == (0, f"stopped the executor (pid {process.pid})\n")
        assert process.wait(timeout=10) == 0


def test_a_hung_one_is_named_and_can_be_killed(state: Path) -> None:
    with serving(state) as process:
        os.kill(process.pid, signal.SIGSTOP)
        found = run(state, "stop", "--grace", "0.2")
        assert found.returncode == 1
        assert f"the executor (pid {process.pid}) is hung" in found.stderr
        assert "--kill" in found.stderr
        assert "Traceback" not in found.stderr
        found = run(state, "stop", "--kill")
        assert (found.returncode, found.stderr) == (0, "")
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert run(state, "status").returncode == 3


def test_errors_are_for_people(state: Path) -> None:
    found = run(state, "status", NBFN_PORT="many")
    assert found.returncode == 1
    assert found.stderr.startswith("nbfn: NBFN_PORT is 'many'")
    assert "Traceback" not in found.stderr
    assert run(state, "serve", "--port", "70000").returncode == 2
    assert run(state, "nosuch").returncode == 2
    (state / "file").write_text("")
    found = run(state, "serve", NBFN_STATE=str(state / "file" / "x"))
    assert found.returncode == 1
    assert "NBFN_STATE" in found.stderr


def test_the_module_and_the_script_are_the_same(state: Path) -> None:
    script = NBFN[0].rsplit("/", 1)[0] + "/nbfn"
    found = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == run(state, "--version").stdout


def test_an_interrupted_command_is_exit_code_130(state: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*NBFN, "list", "apps"],
            env=environment(state) | {"FN_API_URL": url, "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        with process:
            try:
                silent.settimeout(30)
                connection, _ = silent.accept()
                with connection:
                    connection.recv(1)
                    process.send_signal(signal.SIGINT)
                    out, err = process.communicate(timeout=30)
            finally:
                process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "Aborted!"

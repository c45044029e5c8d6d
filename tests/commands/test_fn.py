"""Lines of tutorials against the real executor."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import local
from nbfn import session as sessions
from tests.commands.fnline import at_home, fn
from tests.notebook.conftest import stop_executor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def test_the_tutorial_line_by_line(home: Path) -> None:
    assert fn("init", "--runtime", "python", "hello-func").out.endswith("func.yaml created.\n")
    done = fn("deploy", "--app", "app01", "hello-func")
    assert done.code == 1
    assert "has no application 'app01'" in done.err
    assert "version: 0.0.1\n" in (home / "hello-func" / "func.yaml").read_text()

    assert "`nbfn list apps` shows what is there" in fn("invoke", "app01", "hello-func").err
    assert fn("create", "app", "app01").out == "Successfully created app: app01\n"
    assert "`nbfn list functions app01` shows what is there" in fn("invoke", "app01", "hello-func").err
    assert fn("create", "app", "app01").code == 1
    assert fn("deploy", "--app", "app01", "hello-func").code == 0
    assert "version: 0.0.2\n" in (home / "hello-func" / "func.yaml").read_text()
    assert fn("list", "app").out.splitlines()[1].startswith("app01")
    (listed,) = json.loads(fn("list", "f", "app01", "--output", "json").out)
    assert listed["name"] == "hello-func"
    assert listed["image"].startswith("nbfn.local/app01/hello-func:0.0.2@sha256:")

    assert fn("invoke", "app01", "hello-func").out == '{"message": "Hello World"}'
    assert fn("invoke", "app01", "hello-func", body='{"name": "Bob"}').out == '{"message": "Hello Bob"}'
    told = json.loads(fn("invoke", "app01", "hello-func", "--output", "json", "-d", "{}").out)
    assert (told["status_code"], told["body"]) == (200, '{"message": "Hello World"}')
    assert told["headers"]["Content-Type"] == ["application/json"]
    first, rest = fn("invoke", "--display-call-id", "app01", "hello-func").out.split("\n", 1)
    assert first.startswith("Call ID: 01")
    assert rest == '{"message": "Hello World"}'
    endpoint = fn("inspect", "f", "app01", "hello-func", "--endpoint").out.strip()
    assert fn("invoke", "--endpoint", endpoint).out == '{"message": "Hello World"}'

    assert fn("config", "function", "app01", "hello-func", "KEY", "a b").code == 0
    assert fn("deploy", "--app", "app01", "--no-bump", "hello-func").code == 0
    assert fn("get", "config", "f", "app01", "hello-func", "KEY").out == "a b\n", "deploying keeps it"
    assert fn("list", "config", "f", "app01", "hello-func").out.split() == ["KEY", "VALUE", "KEY", "a", "b"]
    assert "NBFN_KEY" not in fn("inspect", "f", "app01", "hello-func").out
    assert fn("unset", "config", "f", "app01", "hello-func", "KEY").code == 0
    assert fn("get", "config", "f", "app01", "hello-func", "KEY").code == 1
    assert fn("update", "f", "app01", "hello-func", "--memory", "300", "-c", "A=1").code == 0
    assert fn("inspect", "f", "app01", "hello-func", "memory").out == "300\n"
    assert fn("inspect", "f", "app01", "hello-func", "config.A").out == '"1"\n'
    assert fn("inspect", "f", "app01", "hello-func", "colour").code == 1
    assert fn("update", "f", "app01", "hello-func", "--min-instances", "1", "--max-instances", "3").code == 0
    assert fn("inspect", "f", "app01", "hello-func", "annotations.nbfn.org/max-instances").out == "3\n"
    assert fn("update", "f", "app01", "hello-func", "--max-instances", "0", "--min-instances", "0").code == 0
    assert "instances" not in fn("inspect", "f", "app01", "hello-func").out
    assert fn("delete", "f", "app01", "hello-func").out == "Function hello-func deleted\n"
    assert "No functions found" in fn("list", "f", "app01").err
    assert fn("delete", "app", "app01").code == 0


def test_a_failed_call_is_exit_code_1(home: Path) -> None:
    fn("init", "--runtime", "python", "bad")
    (home / "bad" / "func.py").write_text("def handler(ctx, data):\n    raise ValueError('no luck')\n")
    assert fn("deploy", "--app", "a", "--create-app", "bad").code == 0
    done = fn("invoke", "a", "bad")
    assert (done.code, done.out) == (1, "")
    assert "Error invoking function. status: 502 message: function failed: ValueError: no luck" in done.err
    assert "→ `nbfn logs a bad` shows what it wrote" in done.err
    assert "ValueError: no luck" in fn("logs", "a", "bad").out
    done = fn("invoke", "a", "bad", "--output", "json")
    assert done.code == 1
    assert json.loads(done.out)["status_code"] == 502
    missing = fn("invoke", "a", "nosuch")
    assert (missing.code, "logs" in missing.err) == (1, False)


def test_the_version_stays_when_deploying_fails(home: Path) -> None:
    fn("init", "--runtime", "python", "f")
    before = (home / "f" / "func.yaml").read_text()
    (home / "f" / "requirements.txt").write_text("nbfn-no-such-package\n")
    done = fn("deploy", "--app", "a", "--create-app", "f")
    assert done.code == 1
    assert "nbfn-no-such-package" in done.err
    assert (home / "f" / "func.yaml").read_text() == before
    fn("init", "--runtime", "go", "g")
    (home / "g" / "func.yaml").write_text("schema_version: 20180708\nruntime: ruby\n")
    done = fn("deploy", "--app", "b", "--create-app", "g")
    assert "'g' is in ruby" in done.err
    assert fn("inspect", "app", "b").code == 1, "nothing is made for what cannot be built"


def test_a_whole_application(home: Path) -> None:
    (home / "app.yaml").write_text("name: shop\nconfig:\n  CURRENCY: EUR\n")
    for place in ("one", "deep/two"):
        folder = home / place
        folder.mkdir(parents=True)
        (folder / "func.yaml").write_text("schema_version: 20180708\nruntime: python\nconfig:\n  N: 007\n")
        (folder / "func.py").write_text(
            "import os\ndef handler(ctx, data):\n    return os.environ['CURRENCY'] + os.environ['N']\n"
        )
    done = fn("deploy", "--all", "--create-app", "--local")
    assert done.code == 0, done.err
    names = [each["name"] for each in json.loads(fn("list", "f", "shop", "--output", "json").out)]
    assert names == ["deep-two", "one"]
    assert fn("invoke", "shop", "deep-two").out == "EUR007"
    assert "version: 0.0.1\n" in (home / "deep" / "two" / "func.yaml").read_text()
    (home / "app.yaml").write_text("name: shop\nconfig:\n  CURRENCY: CHF\n")
    assert fn("deploy", "--all", "--no-bump").code == 0
    assert fn("invoke", "shop", "one").out == "CHF007"
    assert fn("delete", "app", "shop", "--recursive").code == 0


def test_the_executor_by_its_address_is_this_machines(home: Path) -> None:
    url = sessions.current().endpoint.url
    assert fn("create", "context", "here", "--api-url", url).code == 0
    fn("create", "app", "a")
    assert "a" in fn("--context", "here", "list", "apps").out
    fn("init", "--runtime", "python", "f")
    assert fn("--context", "here", "deploy", "--app", "a", "f").code == 0
    # By TCP and token alone it is any Fn server, which cannot read the images of this machine.
    token = sessions.current().settings.token_file.read_text().strip()
    port = url.rpartition(":")[2]
    fn("create", "context", "there", "--api-url", f"http://[::ffff:127.0.0.1]:{port}")
    done = fn("--context", "there", "deploy", "--app", "a", "f")
    assert done.code == 1
    assert "cannot read it" in done.err
    assert token not in done.err


def test_a_function_follows_the_context(home: Path, state: Path) -> None:
    def double(x: int) -> int:
        return 2 * x

    made = nbfn.function(double)
    assert made(2) == 4
    assert made.deployment is not None
    nbfn.create_context("gone", api_url="http://127.0.0.1:1")
    nbfn.use_context("gone")
    assert made.deployment is None
    with pytest.raises(nbfn.ImageError, match="cannot go to"):
        made(2)
    nbfn.use_context("default")
    assert made(3) == 6
    assert [app.name for app in nbfn.apps()] == ["notebook"]
    assert [each.name for each in nbfn.functions("notebook")] == ["double"]
    answer = nbfn.invoke_function("notebook", "double", "4", content_type="application/json")
    assert (answer.status, answer.text) == (200, "8")
    assert "NBFN_KEY" not in nbfn.functions("notebook")[0].config


def test_projects_from_python(home: Path) -> None:
    nbfn.init_project(home / "hello", "python")
    done = nbfn.deploy_project(home / "hello", "app01", create_app=True)
    assert (done.app, done.name, done.version, done.changed) == ("app01", "hello", "0.0.2", True)
    assert nbfn.invoke_function("app01", "hello").text == '{"message": "Hello World"}'
    assert not nbfn.deploy_project(home / "hello", bump=False, app="app01").changed


def test_the_command_itself(home: Path, state: Path) -> None:
    """The same as a process, with a pipe and exit codes of its own."""
    command = [sys.executable, "-P", "-m", "nbfn"]
    subprocess.run([*command, "init", "--runtime", "python", "p"], check=True, capture_output=True)
    subprocess.run([*command, "deploy", "--app", "x", "--create-app", "p"], check=True, capture_output=True)
    told = subprocess.run(
        [*command, "invoke", "x", "p"], input=b'{"name": "P"}', check=True, capture_output=True
    )
    assert told.stdout == b'{"message": "Hello P"}'
    failed = subprocess.run([*command, "invoke", "x", "q"], input=b"", capture_output=True, check=False)
    assert (failed.returncode, failed.stdout) == (1, b"")
    assert failed.stderr.startswith(b"nbfn: ")
    assert local.find(sessions.current().settings) is not None


def test_an_executor_that_went_away_is_started_again(home: Path, state: Path) -> None:
    fn("create", "app", "kept")
    stop_executor(state)
    assert fn("list", "apps").out.splitlines()[1].startswith("kept")


def test_triggers_are_deployed(home: Path) -> None:
    fn("init", "--runtime", "python", "--trigger", "http", "f")
    done = fn("deploy", "--app", "a", "--create-app", "f")
    assert done.code == 0, done.err
    (made,) = nbfn.triggers("a", "f")
    told = ["Successfully created trigger: f-trigger", f"Trigger Endpoint: {made.url}"]
    assert done.out.splitlines()[3:5] == told
    assert (made.name, made.source) == ("f-trigger", "/f-trigger")
    server = sessions.current().server
    assert made.url == f"{server.endpoint.url}/t/a/f-trigger"
    answer = server.client.post("/t/a/f-trigger", content=b'{"name": "T"}')
    assert (answer.status_code, answer.text) == (200, '{"message": "Hello T"}')
    assert answer.headers["content-type"] == "application/json"
    assert fn("list", "triggers", "a").out.split()[:2] == ["FUNCTION", "NAME"]
    assert fn("list", "triggers", "a", "f").out.split()[:2] == ["NAME", "ID"]
    done = fn("create", "trigger", "a", "f", "other", "--source", "o", "--annotation", "x=1")
    assert done.out.splitlines()[0] == "Successfully created trigger: other"
    assert fn("update", "trigger", "a", "f", "other", "--annotation", "x=2").code == 0
    assert fn("inspect", "trigger", "a", "f", "other", "annotations.x").out == "2\n"
    assert [each["name"] for each in json.loads(fn("list", "t", "a", "--output", "json").out)] == [
        "f-trigger",
        "other",
    ]
    taken = fn("create", "trigger", "a", "f", "again", "--source", "/o")
    assert "Trigger with the same type and source exists on this app" in taken.err
    # Another path in func.yaml moves the trigger, and what leads nowhere any more says so.
    text = (home / "f" / "func.yaml").read_text()
    (home / "f" / "func.yaml").write_text(text.replace("source: /f-trigger", "source: /moved"))
    moved = fn("deploy", "--app", "a", "f")
    assert moved.out.splitlines()[3:5] == ["Trigger: f-trigger", f"Trigger Endpoint: {made.url[:-9]}moved"]
    assert server.client.get("/t/a/f-trigger").json() == {"message": "Trigger not found"}
    assert server.client.get("/t/a/moved").status_code == 200
    assert fn("delete", "trigger", "a", "f", "other").code == 0
    assert fn("delete", "function", "a", "f").code == 0
    assert nbfn.triggers("a") == []


def test_a_trigger_that_cannot_be_made_is_seen_before_anything_is_deployed(home: Path) -> None:
    fn("init", "--runtime", "python", "--trigger", "http", "f")
    fn("init", "--runtime", "python", "--trigger", "http", "g")
    assert fn("deploy", "--app", "a", "--create-app", "f").code == 0
    before = nbfn.functions("a")
    path = home / "g" / "func.yaml"
    path.write_text(path.read_text().replace("source: /g-trigger", "source: /f-trigger"))
    refused = fn("deploy", "--app", "a", "g")
    assert refused.code == 1
    assert "g/func.yaml:" in refused.err
    assert "/f-trigger is the source of trigger 'f-trigger' of function 'f'" in refused.err
    assert nbfn.functions("a") == before
    (home / "app.yaml").write_text("name: b\n")
    refused = fn("deploy", "--all", "--create-app")
    assert "/f-trigger is the source of trigger" in refused.err
    assert [each.name for each in nbfn.apps()] == ["a"]
    path.write_text(path.read_text().replace("source: /f-trigger", "source: nope"))
    assert "the trigger's source is 'nope'" in fn("deploy", "--app", "a", "g").err
    assert nbfn.functions("a") == before


def test_a_detached_call_is_not_waited_for(home: Path) -> None:
    fn("init", "--runtime", "python", "f")
    assert fn("deploy", "--app", "a", "--create-app", "f").code == 0
    done = fn("invoke", "a", "f", "--fn-invoke-type", "detached", body='{"name": "D"}')
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Call ID: 01")
    call = nbfn.call(done.out.split()[-1])
    assert call.exception() is None
    client = sessions.current().server.client
    assert client.get(f"/nbfn/v1/calls/{call.id}/result").text == '{"message": "Hello D"}'
    told = json.loads(fn("invoke", "a", "f", "--fn-invoke-type", "detached", "--output", "json").out)
    assert (told["status_code"], told["body"]) == (202, "")


def test_calls_are_listed_and_name_their_logs(home: Path) -> None:
    fn("init", "--runtime", "python", "f")
    (home / "f" / "func.py").write_text(
        "import json\ndef handler(ctx, data):\n"
        "    number = json.loads(data.getvalue())\n    print('said', number)\n    return 1 / number\n"
    )
    assert fn("deploy", "--app", "a", "--create-app", "f").code == 0
    assert "No calls found for a f" in fn("list", "calls", "a", "f").err
    for number in (0, 1):
        fn("invoke", "a", "f", body=str(number))
    heads, *rows = fn("list", "calls", "a", "f").out.splitlines()
    assert heads.split() == ["CALL", "CAME", "STATUS", "START", "MS", "MESSAGE"]
    assert [row.split()[3] for row in rows] == ["200", "502"]
    assert "ZeroDivisionError" in rows[1]
    ids = [row.split()[0] for row in rows]
    assert "said 0" in fn("logs", "a", "f", "--call", ids[1]).out
    (told,) = json.loads(fn("ls", "calls", "a", "f", "-n", "1", "--output", "json").out)
    assert (told["id"], told["function"], told["status"], told["start"]) == (ids[0], "f", 200, "warm")
    assert told["timings_ms"]["total"] > 0
    assert fn("list", "calls", "a", "f", "-n", "0").code == 0
    known = nbfn.function_calls("a", "f")
    assert [call.id for call in known] == ids
    assert str(known).splitlines()[1].split()[0] == ids[0]
    refused = fn("logs", "a", "f", "--call", "NONSENSE")
    assert (refused.code, refused.out) == (1, "")
    assert "a f has no call 'NONSENSE'" in refused.err
    assert "nbfn list calls a f" in refused.err


def test_going_back(home: Path) -> None:
    def deploy(word: str) -> None:
        (home / "f").mkdir(exist_ok=True)
        (home / "f" / "func.yaml").write_text("schema_version: 20180708\nname: f\nruntime: python\n")
        (home / "f" / "func.py").write_text(f"def handler(ctx, data):\n    return {word!r}\n")
        assert fn("deploy", "--app", "a", "--create-app", "f").code == 0

    for word in ("one", "two"):
        deploy(word)
    assert fn("update", "f", "a", "f", "--memory", "200").code == 0
    heads, *rows = fn("list", "revisions", "a", "f").out.splitlines()
    assert heads.split() == ["REVISION", "DEPLOYED", "IMAGE", "MEMORY", "TIMEOUT", "CHANGED"]
    assert [row.split()[0] for row in rows] == ["3", "2", "1"]
    assert rows[0].split()[-1] == "memory"
    assert "no revision 9" in fn("rollback", "a", "f", "9").err
    assert "kept: 1, 2, 3" in fn("rollback", "a", "f", "9").err
    assert fn("rollback", "a", "f", "1").out == "a f is at revision 4, as in 1\n"
    assert fn("invoke", "a", "f").out == "one"
    assert fn("rollback", "a", "f").out == "a f is at revision 5, as in 3\n"
    assert fn("invoke", "a", "f").out == "two"
    told = json.loads(fn("list", "rev", "a", "f", "--output", "json", "-n", "2").out)
    assert [(each["number"], each["restores"], each["memory_mb"]) for each in told] == [
        (5, 3, 200),
        (4, 1, 128),
    ]
    assert nbfn.rollback_function("a", "f", 2).memory_mb == 128
    assert [each.number for each in nbfn.function_revisions("a", "f")] == [6, 5, 4, 3, 2, 1]
    assert fn("rollback", "a", "nosuch").code == 1
    assert fn("rollback", "a", "f", "no").code == 2

"""What commands say, by the Fn CLI's words and columns, against the real executor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nbfn
from nbfn import config
from nbfn import session as sessions
from tests.commands.fnline import at_home, fn

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


ECHO = """\
import os
def handler(ctx, data):
    kind = ctx.Headers().get("content-type")
    return {"type": kind, "body": data.getvalue().decode(), "key": os.environ.get("KEY")}
"""


@pytest.fixture
def deployed(home: Path) -> Path:
    assert fn("init", "--runtime", "python", "--trigger", "http", "echo").code == 0
    (home / "echo" / "func.py").write_text(ECHO)
    assert fn("deploy", "--app", "shop", "--create-app", "echo").code == 0
    return home / "echo"


def test_lists_have_the_fn_clis_columns(deployed: Path) -> None:
    def columns(*line: str) -> tuple[list[str], list[str]]:
        heads, *rows = fn(*line).out.splitlines()
        return heads.split(), rows[0].split()

    app = json.loads(fn("inspect", "app", "shop").out)
    held = json.loads(fn("inspect", "function", "shop", "echo").out)
    assert columns("list", "apps") == (["NAME", "ID"], ["shop", app["id"]])
    assert columns("list", "functions", "shop") == (
        ["NAME", "IMAGE", "ID"],
        ["echo", held["image"], held["id"]],
    )
    heads, row = columns("list", "triggers", "shop")
    assert heads == ["FUNCTION", "NAME", "ID", "TYPE", "SOURCE", "ENDPOINT"]
    assert (row[0], row[1], row[3], row[4]) == ("echo", "echo-trigger", "http", "/echo-trigger")
    assert row[5].endswith("/t/shop/echo-trigger")
    assert columns("list", "triggers", "shop", "echo") == (heads[1:], row[1:])
    assert columns("list", "contexts")[0] == ["CURRENT", "NAME", "PROVIDER", "API", "URL", "REGISTRY"]
    assert json.loads(fn("list", "apps", "--output", "JSON").out) == [{"name": "shop", "id": app["id"]}]


def test_lists_go_on_behind_a_cursor(home: Path) -> None:
    for name in ("c", "a", "b"):
        fn("create", "app", name)

    def names(*told: str) -> list[str]:
        return [each["name"] for each in json.loads(fn("list", "apps", "--output", "json", *told).out)]

    assert names("-n", "2") == ["a", "b"]
    assert names("--cursor", "Yg") == ["c"], "a cursor is a name, as the server writes it"
    assert names("--sort-by", "name", "--sort-order", "desc") == ["c", "b", "a"]
    assert names("--display-name", "b", "-n", "1") == ["b"]


def test_an_object_is_inspected_whole_or_by_part(deployed: Path) -> None:
    fn("config", "app", "shop", "CURRENCY", "EUR")
    assert fn("inspect", "app", "shop", "name").out == '"shop"\n'
    assert fn("inspect", "app", "shop", "config").out == '{\n  "CURRENCY": "EUR"\n}\n'
    assert fn("inspect", "app", "shop", "config.CURRENCY").out == '"EUR"\n'
    assert fn("inspect", "trigger", "shop", "echo", "echo-trigger", "source").out == '"/echo-trigger"\n'
    missing = fn("inspect", "app", "shop", "config.NONE")
    assert (missing.code, missing.out) == (1, "")
    assert "shop has no 'config.NONE'" in missing.err
    assert "it has: CURRENCY" in missing.err


def test_what_is_inspected_is_json_for_who_asks_for_it(deployed: Path) -> None:
    def told(line: str) -> Any:
        done = fn(*line.split(), "--output", "json")
        assert done.code == 0, done.err
        return json.loads(done.out)

    for line in ("inspect app shop", "inspect f shop echo", "inspect t shop echo echo-trigger"):
        assert told(line) == json.loads(fn(*line.split()).out)
    assert (
        told("inspect f shop echo --endpoint") == fn("inspect", "f", "shop", "echo", "--endpoint").out.strip()
    )
    fn("update", "context", "token", "s3cret")
    assert told("inspect context") == {
        "name": "default",
        "provider": "default",
        "api-url": "http://localhost:8080",
        "registry": "",
        "token": "…",
    }


def test_versions_are_json_too(home: Path) -> None:
    found = json.loads(fn("version", "--output", "json").out)
    assert found.keys() == {"client", "server"}
    assert found["client"] == nbfn.__version__


def test_calls(deployed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*told: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(fn("invoke", "shop", "echo", *told, body="hi").out)
        return found

    assert called() == {"type": "text/plain", "body": "hi", "key": None}
    assert called("--content-type", "application/x")["type"] == "application/x"
    assert called("--no-endpoint-cache", "--endpoint-cache-ttl", "1m")["body"] == "hi"
    path = deployed / "func.yaml"
    path.write_text(path.read_text() + "content_type: text/csv\n")
    monkeypatch.chdir(deployed)
    assert called()["type"] == "text/csv", "as the func.yaml here says"
    told = json.loads(fn("invoke", "--output", "json", "shop", "echo", body="x").out)
    assert told.keys() == {"body", "headers", "status_code"}
    assert told["status_code"] == 200
    assert json.loads(told["body"])["body"] == "x"
    first, rest = fn("invoke", "--display-call-id", "shop", "echo").out.split("\n", 1)
    assert first.startswith("Call ID: ")
    assert told["headers"]["Fn-Call-Id"][0].startswith(first.removeprefix("Call ID: ")[:4])
    assert json.loads(rest)["body"] == ""


def test_detached_is_a_word_too(deployed: Path) -> None:
    done = fn("invoke", "detached", "shop", "echo", body="later")
    assert done.code == 0, done.err
    word, call_id = done.out.strip().split(": ")
    assert word == "Call ID"
    call = nbfn.call(call_id)
    assert call.exception() is None
    answer = sessions.current().server.client.get(f"/nbfn/v1/calls/{call.id}/result")
    assert answer.json()["body"] == "later"
    fn("create", "app", "detached")
    assert fn("deploy", "--app", "detached", "echo").code == 0
    assert json.loads(fn("invoke", "detached", "echo", body="now").out)["body"] == "now", "an application"
    assert fn("invoke", "detached").code == 2


def test_configuration(deployed: Path) -> None:
    assert fn("config", "app", "shop", "KEY", "a b").out == "shop updated KEY with a b\n"
    assert fn("get", "config", "app", "shop", "KEY").out == "a b\n"
    assert fn("list", "config", "app", "shop").out.split() == ["KEY", "VALUE", "KEY", "a", "b"]
    assert json.loads(fn("invoke", "shop", "echo").out)["key"] == "a b"
    assert fn("config", "f", "shop", "echo", "KEY", "mine").out == "shop echo updated KEY with mine\n"
    assert json.loads(fn("invoke", "shop", "echo").out)["key"] == "mine"
    assert (
        fn("delete", "config", "f", "shop", "echo", "KEY").out
        == "Removed key 'KEY' from the function 'echo'\n"
    )
    assert json.loads(fn("invoke", "shop", "echo").out)["key"] == "a b"
    gone = fn("unset", "config", "f", "shop", "echo", "KEY")
    assert (gone.code, gone.out) == (0, "Config key 'KEY' does not exist. Nothing to do.\n")
    assert "shop echo has no configuration key 'KEY'" in fn("get", "config", "f", "shop", "echo", "KEY").err
    assert "No config found for shop echo" in fn("list", "config", "f", "shop", "echo").err
    nbfn.set_config("shop", "B", "2", "echo")
    assert (nbfn.get_config("shop", "B", "echo"), nbfn.list_config("shop")) == ("2", {"KEY": "a b"})
    nbfn.unset_config("shop", "KEY")
    assert nbfn.list_config("shop") == {}
    with pytest.raises(nbfn.BadInput, match="are not empty"):
        nbfn.set_config("shop", "", "x")


def test_triggers_keep_what_is_not_changed(deployed: Path) -> None:
    made = nbfn.create_trigger("shop", "echo", "two", source="/two", annotations={"a": 1})
    assert made.annotations["a"] == 1
    changed = nbfn.update_trigger("shop", "echo", "two", annotations={"b": [2]})
    assert (changed.source, changed.annotations["a"], changed.annotations["b"]) == ("/two", 1, [2])
    assert fn("create", "trigger", "shop", "echo", "three", "-s", "/three", "-t", "http").code == 0


@pytest.mark.parametrize(
    ("variable", "line", "said"),
    [
        ("FN_CONTEXT=mine", "list contexts", "*        mine"),
        ("FN_CONTEXT=gone", "list apps", "FN_CONTEXT: there is no context 'gone'"),
        ("FN_API_URL=http://127.0.0.1:1", "list apps", "nothing answers at http://127.0.0.1:1"),
        ("FN_API_URL=127.0.0.1:1", "list apps", "nothing answers at http://127.0.0.1:1"),
        ("FN_PROVIDER=azure", "list apps", "provider is 'azure'"),
        ("FN_PROVIDER=oracle", "list apps", "does not say which compartment"),
    ],
)
def test_the_environment_wins(
    home: Path, variable: str, line: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fn("create", "context", "mine", "--api-url", "http://127.0.0.1:2")
    name, _, value = variable.partition("=")
    monkeypatch.setenv(name, value)
    sessions.current().close()
    try:
        sessions.use(sessions.Session(config.load()))
        done = fn(*line.split())
        told = done.out + done.err
    except nbfn.NbfnError as error:  # of opening the session
        told = str(error)
    assert said in told


def test_what_contexts_say(home: Path) -> None:
    assert fn("create", "context", "mine", "--api-url", "http://localhost:9").out == (
        "Successfully created context: mine\n"
    )
    assert fn("use", "context", "mine").out == "Now using context: mine\n"
    assert fn("update", "context", "registry", "me").out == "Current context updated registry with me\n"
    assert fn("inspect", "context").out.startswith("Current context: mine\n\nprovider: default\n")
    assert fn("update", "context", "registry", "--delete").out == "Current context deleted registry\n"
    assert fn("unset", "context").out == "Successfully unset current context\n"
    assert nbfn.unset_context().name == "default"
    assert fn("delete", "context", "mine").out == "Successfully deleted context mine\n"


def test_options_of_oci_are_left_out_with_a_word(home: Path) -> None:
    done = fn("create", "app", "shop", "--tag", "a=1", "--subnet-id", "ocid1.x")
    assert (done.code, done.out) == (0, "Successfully created app: shop\n")
    assert done.err == "--subnet-id, --tag: only OCI Functions has that; left out\n"
    assert "oracle.com" not in fn("inspect", "app", "shop").out
    done = fn("update", "app", "shop", "--remove-tag", "a", "--remove-defined-tag", "N.k", "--clear-tags")
    assert (
        done.err
        == "--clear-tags, --remove-defined-tag, --remove-tag: only OCI Functions has that; left out\n"
    )
    done = fn("create", "f", "shop", "f", "me/f:1", "--provisioned-concurrency", "none")
    assert done.err == "--provisioned-concurrency: only OCI Functions has that; left out\n"


def test_a_started_executor_has_the_port_it_was_given(home: Path, unused_port: int) -> None:
    done = fn("start", "--port", str(unused_port))
    assert done.code == 0, done.err
    assert done.out.rstrip().endswith(f":{unused_port}")
    assert "is running already" in fn("start", "-p", str(unused_port)).out
    other = fn("start", "-p", str(unused_port - 1))
    assert other.code == 1
    assert "is running already, at http://" in other.err


def test_what_the_executor_is_started_with(
    home: Path, state: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "vars"
    monkeypatch.setenv("PASSED", "on")
    file.write_text(f"# for it\n\nNBFN_PORT={unused_port}\nOWN=a b=c\nPASSED\nNOT_HERE\n")
    quiet = fn("start", "--env-file", str(file), "--log-level", "error")
    assert quiet.code == 0, quiet.err
    assert quiet.out.rstrip().endswith(f":{unused_port}")
    running = nbfn.executor_status()
    assert running is not None
    held = Path(f"/proc/{running.pid}/environ").read_bytes().decode().split("\0")
    assert {"OWN=a b=c", "PASSED=on"} <= set(held)
    assert not any(each.startswith("NOT_HERE") for each in held)
    assert "listening on" not in (state / "executor.log").read_text()
    assert "running already" in fn("start").out
    late = fn("start", "--log-level", "debug")
    assert (late.code, "cannot be told anything any more" in late.err) == (1, True)
    assert fn("stop").code == 0
    assert nbfn.start_executor(log_level="info")
    assert "listening on" in (state / "executor.log").read_text()
    assert fn("start", "--log-level", "loud").code == 2
    for text, said in (("A B=1", "vars:1: this is not NAME=VALUE"), ("NBFN_LOG_LEVEL=loud", "is 'loud'")):
        file.write_text(text)
        bad = fn("start", "--env-file", str(file))
        assert (bad.code, said in bad.err) == (1, True), bad.err
    assert fn("start", "--env-file", str(home / "nosuch")).code == 1


def test_the_executor_from_python(home: Path) -> None:
    assert nbfn.executor_status() is None
    assert not nbfn.stop_executor()
    url = nbfn.start_executor()
    found = nbfn.executor_status()
    assert found is not None
    assert found.endpoint is not None
    assert found.endpoint.url == url == nbfn.start_executor()
    assert nbfn.stop_executor(grace_s=1)
    assert nbfn.executor_status() is None


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port

"""``doctor`` where things really go wrong."""

from __future__ import annotations

import contextlib
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import nbfn
from tests.commands.fnline import fn
from tests.notebook.conftest import shell
from tests.oci.functions import SPEC, captured, imaged
from tests.oci.home import SUBNETS, use_oracle
from tests.oci.people import COMPARTMENT

if TYPE_CHECKING:
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from tests.oci.server import Cloud

__all__ = ["shell"]  # a fixture


def found(*words: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = fn("doctor", "--output", "json", *words)
    return done.code, {each["subject"]: each for each in json.loads(done.out)}


def test_at_home(home: Path) -> None:
    code, told = found()
    assert (code, told["context"]["status"], told["isolation"]["status"] in ("ok", "warn")) == (0, "ok", True)
    code, told = found("nosuch")
    assert (code, told["function"]["status"]) == (1, "problem")
    fn("init", "--runtime", "python", "f")
    fn("deploy", "--app", "a", "--create-app", "f")
    code, told = found("a", "f")
    assert (code, told["function"]["status"]) == (0, "ok")
    assert "image" not in told
    assert "ok  function" in fn("doctor", "a", "f").out


def test_an_image_of_this_machine_may_have_any_name(home: Path) -> None:
    fn("init", "--runtime", "python", "j")
    fn("deploy", "--app", "app01", "--create-app", "j")
    fn("images", "tag", "nbfn.local/app01/j:latest", "mine:2")
    assert fn("create", "f", "app01", "m2", "mine:2").code == 0
    code, told = found("app01", "m2")
    assert (code, told["function"]["status"], "image" in told) == (0, "ok", False), told


def test_an_image_that_docker_has_need_not_be_in_a_registry(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = SimpleNamespace(images=SimpleNamespace(get=[].append))
    monkeypatch.setattr(sys.modules["nbfn.checks.gather"], "_engine", lambda _: ("Docker", "", ""))
    monkeypatch.setattr("nbfn.checks.function.connected", lambda *_: contextlib.nullcontext(client))
    fn("create", "app", "app01")
    assert fn("create", "f", "app01", "m3", "of-docker:1").code == 0
    code, told = found("app01", "m3")
    assert (code, "image" in told) == (0, False), told


def test_a_function_is_found_in_the_only_application_that_has_it(home: Path) -> None:
    fn("init", "--runtime", "python", "j")
    fn("deploy", "--app", "app01", "--create-app", "j")
    code, told = found("j")
    assert (code, told["function"]["message"].startswith("app01 j")) == (0, True)
    _, told = found("app02", "j")
    assert "`nbfn doctor app01 j`" in told["function"]["advice"]
    fn("deploy", "--app", "app02", "--create-app", "j")
    code, told = found("j")
    assert (code, told["function"]["message"]) == (1, "2 applications have a function 'j'")
    assert told["function"]["advice"] == (
        "ask with the application: `nbfn doctor app01 j` or `nbfn doctor app02 j`"
    )
    _, told = found("app01")
    assert "`nbfn doctor app01 FUNCTION`" in told["function"]["advice"]
    _, told = found("nosuch")
    assert "`nbfn doctor APP nosuch`" in told["function"]["advice"]


def test_an_application_for_other_processors_than_this_machines(
    home: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = sys.modules["nbfn.checks.gather"]  # the package has the function of that name
    monkeypatch.setattr(gather, "machine_platform", lambda: {"os": "linux", "architecture": "amd64"})
    use_oracle(cloud)
    fn("create", "app", "app03", "--annotation", SUBNETS, "--shape", "GENERIC_ARM")
    _, told = found("app03", "hello")
    assert told["architecture"]["status"] == "problem"
    assert (
        "app03 is GENERIC_ARM, and images that are built here are for amd64"
        in told["architecture"]["message"]
    )
    assert "GENERIC_ARM arm64" in told["architecture"]["advice"]


def test_in_oci(home: Path, cloud: Cloud, state: Path) -> None:
    use_oracle(cloud)
    code, told = found()
    assert code == 0
    assert {name: told[name]["status"] for name in ("context", "region", "clock", "access")} == {
        "context": "ok", "region": "ok", "clock": "ok", "access": "ok",
    }  # fmt: skip
    assert told["registry"]["status"] == "warn"

    image = imaged(cloud, state / "images", captured(), SPEC)
    fn("create", "app", "app01", "--annotation", SUBNETS, "--shape", "GENERIC_ARM")
    cloud.store.architectures[image.digest] = "arm"
    fn("create", "f", "app01", "greet", str(image))
    nbfn.update_context("registry", "iad.ocir.io/ns")
    cloud.denied.add("InvokeFunction")
    code, told = found("app01", "greet")
    assert code == 1
    assert told["login"]["message"] == "nobody is logged in to iad.ocir.io"
    assert "GENERIC_ARM arm64" in told["architecture"]["advice"]
    assert f"use fn-invocation in compartment id {COMPARTMENT}" in told["call"]["advice"]
    asked = [seen for seen in cloud.requests if seen.path.endswith("/invoke")]
    assert [seen.headers["is-dry-run"] for seen in asked] == ["true"], "it was not called"


@pytest.mark.parametrize(
    ("cause", "subject", "advice"),
    [
        ("clock", "clock", "timedatectl"),
        ("policy", "access", f"to inspect fn-app in compartment id {COMPARTMENT}"),
        ("key", "access", "console's API keys"),
        ("nobody", "access", "proxy, firewall"),
        ("profile", "context", "oci setup config"),
        ("compartment", "context", "ocid1.compartment."),
    ],
)
def test_what_goes_wrong(cause: str, subject: str, advice: str, home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    match cause:
        case "clock":
            cloud.clock_offset_s = 3600
        case "policy":
            cloud.denied.add("ListApp")
        case "key":
            cloud.fail("ListApp", 401, "NotAuthenticated")
        case "nobody":
            fn("update", "context", "api-url", "http://127.0.0.1:1")
        case "profile":
            (home / ".oci" / "config").unlink()
        case "compartment":
            fn("update", "context", "oracle.compartment-id", "mine")
    code, told = found()
    assert (code, told[subject]["status"]) == (1, "problem")
    assert advice in told[subject]["advice"]


def test_a_code_by_itself() -> None:
    done = fn("doctor", "--code", "FunctionInvokeSubnetOutOfIPs")
    assert (done.code, "larger subnet" in done.out) == (0, True)
    done = fn("doctor", "--code", "FunctionInvokeSubnet")
    assert done.code == 1
    assert "FunctionInvokeSubnetOutOfIPs, FunctionInvokeSubnetNotAvailable" in done.err


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("functioninvokesubnetoutofips", "larger subnet"),
        ("502 FunctionInvokeTimeout", "at most 300"),
        ("Function failed", "its log has the traceback"),
        ("Error invoking function. status: 502 message: error receiving function response", "memory"),
        ("Failed to pull function image", "look, in this order"),
        ("Container failed to initialize, please ensure you are using the latest fdk", "a module is missing"),
        ("Image pull timed out", "build a smaller one"),
        ("Timed out", "at most 300"),
        ("denied: Anonymous users are only allowed read access on public repos", "docker login KEY.ocir.io"),
    ],
)
def test_a_code_in_any_case_and_the_words_that_people_see(text: str, advice: str) -> None:
    done = fn("doctor", "--code", text)
    assert (done.code, advice in done.out) == (0, True), done


def test_of_codes_the_near_ones_are_named() -> None:
    done = fn("doctor", "--code", "FunctionInvokeImageNotAvailible")
    assert done.code == 1
    assert "did you mean FunctionInvokeImageNotAvailable" in done.err
    assert "QuotaExceeded" not in done.err
    assert "the words of its message" in fn("doctor", "--code", "xyzzy").err


def test_in_a_notebook_it_explains_the_last_error(
    shell: InteractiveShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shell.run_cell("%fn use context nosuch")
    capsys.readouterr()
    shell.run_cell("%fn doctor")
    shown = capsys.readouterr().out
    assert "!   last error   there is no context 'nosuch'" in shown
    assert "ok  context" in shown
    shell.run_cell("import nbfn; nbfn.doctor().ok")
    assert "True" in capsys.readouterr().out


RAISES = """import io, time


def handler(ctx, data: io.BytesIO = None):
    body = data.getvalue()
    if body == b"bad":
        raise ValueError("no such thing")
    if body == b"long":
        time.sleep(60)
    return "fine"
"""


def test_the_last_call_and_deployment_that_failed(home: Path, state: Path) -> None:
    fn("init", "--runtime", "python", "j")
    (home / "j" / "func.py").write_text(RAISES)
    assert fn("deploy", "--app", "app01", "--create-app", "j").code == 0
    fn("invoke", "app01", "j", body="good")
    code, told = found("app01", "j")
    assert (code, [name for name in told if name.startswith("last")]) == (0, [])

    assert fn("invoke", "app01", "j", body="bad").code == 1
    code, told = found("app01", "j")
    assert (code, told["last call"]["status"], "last invoke" in told) == (0, "warn", False)
    assert "no such thing" in told["last call"]["message"]
    assert "`nbfn logs app01 j --call " in told["last call"]["advice"]
    # One that runs has not failed, and hides none that has.
    assert fn("invoke", "app01", "j", "--fn-invoke-type", "detached", body="long").code == 0
    assert "no such thing" in found("app01", "j")[1]["last call"]["message"]
    fn("invoke", "app01", "j", body="good")
    assert "last call" not in found("app01", "j")[1]

    func = home / "j" / "func.py"
    func.unlink()
    assert fn("deploy", "--app", "app01", "j").code == 1
    code, told = found("app01", "j")
    assert (code, "func.py" in told["last deploy"]["message"]) == (0, True)
    assert "last deploy" in found("j")[1]
    assert "last deploy" not in found("app02", "j")[1]
    assert (state / "failures.json").stat().st_mode & 0o777 == 0o600
    func.write_text(RAISES)
    assert fn("deploy", "--app", "app01", "j").code == 0
    assert "last deploy" not in found("app01", "j")[1]


def test_what_oci_refused_is_told_by_the_next_command(home: Path, cloud: Cloud, state: Path) -> None:
    use_oracle(cloud)
    image = imaged(cloud, state / "images", captured(), SPEC)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    fn("create", "f", "app01", "greet", str(image))
    cloud.fail("InvokeFunction", 502, "FunctionInvokeImageNotAvailable", "Failed to pull function image")
    assert fn("invoke", "app01", "greet", body="x").code == 1
    _, told = found("app01", "greet")
    assert "Failed to pull function image" in told["last invoke"]["message"]
    assert "look, in this order" in told["last invoke"]["advice"]
    assert "last invoke" not in found("app01", "other")[1]
    assert "last invoke" in found("greet")[1]


def test_a_function_that_was_never_there_is_asked_about_where_it_failed(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("create", "app", "app03", "--annotation", SUBNETS)
    fn("init", "--runtime", "python", "hello")
    cloud.fail("CreateFunction", 400, "LimitExceeded", "one function too many")
    assert fn("deploy", "--app", "app03", "hello").code == 1
    _, told = found("hello")
    assert "in app03" in told["function"]["message"]
    assert "one function too many" in told["last deploy"]["message"]
    assert "ask for a higher service limit" in told["last deploy"]["advice"]


def test_the_last_error_of_another_function_is_not_told(
    home: Path, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    fn("create", "app", "app01")
    shell.run_cell("import nbfn")
    shell.run_cell("nbfn.invoke_function('app01', 'nosuch')")
    shell.run_cell("nbfn.invoke_function('app01', 'neither')")
    capsys.readouterr()
    shell.run_cell("%fn doctor app01 hello")
    assert "neither" not in capsys.readouterr().out
    shell.run_cell("%fn doctor app01 neither")
    shown = capsys.readouterr().out
    assert "last invoke" in shown
    assert "last error" not in shown, "it is the same"
    shell.run_cell("%fn doctor")
    assert "last error" in capsys.readouterr().out


def test_a_func_yaml_that_could_not_be_read(home: Path) -> None:
    fn("create", "app", "app01")
    fn("init", "--runtime", "python", "j")
    right = (home / "j" / "func.yaml").read_text()
    (home / "j" / "func.yaml").write_text(f"{right}\ntriggers: [\n")
    assert fn("deploy", "--app", "app01", "j").code == 1
    _, told = found("app01", "j")
    assert f"{'j/func.yaml'}:" in told["last deploy"]["message"]
    assert told["last deploy"]["advice"] == "correct the file there"
    (home / "j" / "func.yaml").write_text(right)
    assert fn("deploy", "--app", "app01", "j").code == 0
    assert "last deploy" not in found("app01", "j")[1]
    (home / "app.yaml").write_text("name: app01\n")
    (home / "k").mkdir()
    (home / "k" / "func.yaml").write_text("name: kay\nname: two\n")
    assert fn("deploy", "--all").code == 1
    assert "func.yaml:" in found("app01", "kay")[1]["last deploy"]["message"]
    (home / "j" / "app.yaml").write_text("name: [\n")
    assert fn("deploy", "--app", "app01", "j").code == 1
    assert "app.yaml:" in found("app01", "j")[1]["last deploy"]["message"]


def test_a_function_that_was_refused(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    assert fn("create", "function", "app01", "f", "iad.ocir.io/ns/f:1", "--memory", "100").code == 1
    code, told = found("app01", "f")
    assert code == 1
    assert "memory is 100 MB" in told["last create"]["message"]
    assert "use one of 128" in told["last create"]["advice"]
    cloud.denied.add("CreateFunction")
    assert fn("create", "function", "app01", "f", "iad.ocir.io/ns/f:1").code == 1
    assert "Allow group" in found("app01", "f")[1]["last create"]["advice"]
    cloud.denied.clear()
    assert fn("create", "function", "app01", "f", "iad.ocir.io/ns/f:1").code == 0
    assert fn("update", "function", "app01", "f", "--timeout", "900").code == 1
    told = found("app01", "f")[1]
    assert "last create" not in told
    assert "timeout is 900" in told["last update"]["message"]
    with pytest.raises(nbfn.NbfnError):
        nbfn.update_function(name="f", app="app01", memory=5)
    assert "memory is 5 MB" in found("app01", "f")[1]["last update"]["message"]
    assert fn("update", "function", "app01", "f", "--timeout", "90").code == 0
    assert "last update" not in found("app01", "f")[1]

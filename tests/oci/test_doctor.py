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
from tests.oci.home import SUBNETS, at_oracle, use_oracle
from tests.oci.people import COMPARTMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from IPython.core.interactiveshell import InteractiveShell

    from tests.oci.server import Cloud

__all__ = ["shell"]  # a fixture


@pytest.fixture
def home(cloud: Cloud, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_oracle(tmp_path, state, cloud, monkeypatch) as found:
        yield found


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
    monkeypatch.setattr(sys.modules["nbfn.checks.gather"], "_docker", lambda: "")
    monkeypatch.setattr("nbfn.checks.function.connected", lambda _: contextlib.nullcontext(client))
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
    assert "`fn doctor app01 j`" in told["function"]["advice"]
    fn("deploy", "--app", "app02", "--create-app", "j")
    code, told = found("j")
    assert (code, told["function"]["message"]) == (1, "2 applications have a function 'j'")
    assert told["function"]["advice"] == (
        "ask with the application: `fn doctor app01 j` or `fn doctor app02 j`"
    )
    _, told = found("app01")
    assert "`fn doctor app01 FUNCTION`" in told["function"]["advice"]
    _, told = found("nosuch")
    assert "`fn doctor APP nosuch`" in told["function"]["advice"]


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

"""What failed before is kept, bounded and without secrets, and told where it fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbfn import failures
from nbfn.checks import Finding, diagnose
from nbfn.checks.facts import Asked, Called, Facts, Machine
from nbfn.contexts.context import local
from nbfn.errors import CallError, NbfnError
from nbfn.failures import Failed

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = ("default", "app01", "f")
CALL = Called("01ID", 504, "timed out", 1000.0)
ASKED = Asked("app01", "f", image="nbfn.local/app01/f:1", calls=(CALL,), timeout_s=30)
FACTS = Facts(Machine((3, 12)), local(), asked=ASKED)
INVOKE = Failed(*ABOUT, "invoke", 1001.0, "status 504: timed out", "be quicker", "01ID")
DEPLOY = Failed(*ABOUT, "deploy", 900.0, "it was refused", "ask again")


def told(facts: Facts) -> dict[str, Finding]:
    return {each.subject: each for each in diagnose(facts) if each.subject.startswith("last")}


def test_a_call_that_failed_is_told_once_with_what_to_do() -> None:
    assert "--timeout SECONDS" in told(FACTS)["last call"].advice
    assert "`nbfn logs app01 f --call 01ID`" in told(FACTS)["last call"].advice
    error = CallError("f(): timed out", hint="take more", call_id="01ID")
    (only,) = told(replace(FACTS, last_error=error)).values()
    assert only.advice.startswith("take more; ")
    (only,) = told(replace(FACTS, failures=[INVOKE], last_error=error)).values()
    assert (only.subject, only.advice.startswith("be quicker; ")) == ("last call", True)


def test_what_has_succeeded_since_is_not_told() -> None:
    later = replace(FACTS, asked=replace(ASKED, calls=(Called("02ID", 200, "", 1002.0), CALL)))
    assert not told(replace(later, failures=[INVOKE]))
    before = replace(FACTS, asked=replace(ASKED, calls=(Called("00ID", 200, "", 999.0),)))
    assert told(replace(before, failures=[INVOKE]))["last invoke"].advice == "be quicker"


def test_a_deployment_that_failed_is_told_beside() -> None:
    both = told(replace(FACTS, failures=[DEPLOY]))
    assert list(both) == ["last deploy", "last call"]
    assert both["last deploy"].message.endswith(": it was refused")
    assert "last error" not in told(replace(FACTS, failures=[DEPLOY], last_error=NbfnError("it was refused")))


def test_the_last_of_each_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        failures.remember(tmp_path, "deploy", ABOUT, NbfnError(f"no {number}", hint="so"))
    failures.remember(tmp_path, "invoke", ABOUT, CallError("not called", call_id="01ID"))
    deploy, invoke = failures.recall(tmp_path, "default", "f")
    assert (deploy.message, deploy.hint, invoke.call_id) == ("no 2", "so", "01ID")
    failures.forget(tmp_path, "deploy", ABOUT)
    assert failures.recall(tmp_path, "default", "f") == [invoke]
    assert failures.recall(tmp_path, "other", "f") == []


def test_they_are_few_and_short_and_hold_no_tokens(tmp_path: Path) -> None:
    for number in range(60):
        error = NbfnError(f"Bearer abc.def {'x' * 5000}")
        failures.remember(tmp_path, "deploy", ("default", "app01", f"f{number}"), error)
    (last,) = failures.recall(tmp_path, "default", "f59")
    assert ("abc.def" in last.message, len(last.message)) == (False, 1000)
    assert not failures.recall(tmp_path, "default", "f9")
    assert failures.recall(tmp_path, "default", "f10")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["failures.json", "failures.lock"]


def test_an_error_knows_what_it_is_about(tmp_path: Path) -> None:
    with pytest.raises(NbfnError) as caught, failures.noted(tmp_path, "deploy", ABOUT):
        raise NbfnError("no")
    assert caught.value.about == ABOUT
    with failures.noted(tmp_path, "deploy", ABOUT):
        pass
    assert failures.recall(tmp_path, "default", "f") == []


def test_what_cannot_be_read_or_written_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    (tmp_path / "failures.json").write_text('[{"odd": 1}]')
    assert failures.recall(tmp_path, "default", "f") == []
    failures.remember(tmp_path, "deploy", ABOUT, NbfnError("no"))
    assert len(failures.recall(tmp_path, "default", "f")) == 1
    file = tmp_path / "file"
    file.touch()
    failures.remember(file, "deploy", ABOUT, NbfnError("no"))
    failures.forget(file, "deploy", ABOUT)

"""Every check finds its cause, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nbfn.checks import CHECKS, diagnose
from nbfn.checks.facts import Asked, Cloud, Executor, Facts, Machine
from nbfn.checks.finding import Finding
from nbfn.contexts import Context
from nbfn.contexts.context import local
from nbfn.deploy.oci.causes import Place, policy_hint
from nbfn.deploy.oci.codes import CODES
from nbfn.errors import LoginFailed, NbfnError, NotFound
from nbfn.verbs import explain
from nbfn.verbs.diagnosis import Diagnosis
from tests.oci.people import COMPARTMENT

HOME = Facts(Machine((3, 12)), local(), executor=Executor("T2", ("own namespaces",)))
ORACLE = Context(
    "cloud", "oracle", "https://functions.us-ashburn-1.oci.oraclecloud.com", "iad.ocir.io/ns/team"
)
CLOUD = Cloud(COMPARTMENT, "us-ashburn-1", "us-ashburn-1", ("iad.ocir.io",), "ns/ana", clock_off_s=1.0)
ASKED = Asked(
    "app01", "f", state="ACTIVE", image="iad.ocir.io/ns/f:1", shape="GENERIC_X86", architecture="amd64"
)
AWAY = Facts(Machine((3, 12)), ORACLE, cloud=CLOUD, asked=ASKED)
GONE = NotFound("it is gone", hint="bring it back", status=404)


@pytest.mark.parametrize("facts", [HOME, AWAY])
def test_where_all_is_well_all_is_ok(facts: Facts) -> None:
    assert {each.status for each in diagnose(facts)} == {"ok"}


def machine(**changes: object) -> Facts:
    return replace(HOME, machine=replace(HOME.machine, **changes))  # type: ignore[arg-type]


def cloud(**changes: object) -> Facts:
    return replace(AWAY, cloud=replace(CLOUD, **changes))  # type: ignore[arg-type]


def registry(text: str, **changes: object) -> Facts:
    return replace(cloud(**changes), context=replace(ORACLE, registry=text))


def asked(**changes: object) -> Facts:
    return replace(AWAY, asked=replace(ASKED, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "subject", "status", "message", "advice"),
    [
        (machine(python=(3, 10)), "python", "problem", "Python 3.10", "python3.12 -m venv"),
        (machine(system="Darwin"), "system", "problem", "this is Darwin", "WSL"),
        (machine(docker="no socket"), "docker", "warn", "no Docker: no socket", "not for Python: start it"),
        (machine(docker="x", binder=True), "docker", "warn", "no Docker", "Binder has none"),
        (machine(binder=True), "binder", "warn", "this is Binder", "Python folders work"),
        (machine(free_mb=10), "disk", "warn", "10 MB are free", "prune"),
        (
            replace(HOME, executor=Executor("T1", ("seccomp",), ("T2: no user namespaces",))),
            "isolation", "warn", "tier T1: seccomp (not there: T2: no user namespaces)", "sysctl",
        ),
        (Facts(HOME.machine, context_error=GONE), "context", "problem", "it is gone", "bring it back"),
        (
            cloud(profile_region="us-luke-1", profile_url="https://functions.us-luke-1.oci.oraclegovcloud.com"),
            "region", "warn", "the profile in us-", "api-url https://functions.us-luke-1.oci.oraclegovcloud.com",
        ),
        (registry(""), "registry", "warn", "no registry", "iad.ocir.io/NAMESPACE/PREFIX"),
        (registry("phx.ocir.io/ns/x"), "registry", "problem", "registry of us-phoenix-1", "iad.ocir.io"),
        (registry("docker.io/x"), "registry", "problem", "cannot pull from docker.io", "iad.ocir.io"),
        (registry("iad.ocir.io"), "registry", "problem", "alone is no place", "NAMESPACE"),
        (cloud(login=None), "login", "problem", "nobody is logged in", "iad.ocir.io -u 'ns/USER'"),
        (cloud(login="ana"), "login", "problem", "lacks the tenancy's namespace", "auth token"),
        (cloud(login="other/ana"), "login", "problem", "another namespace than 'ns'", "docker login"),
        (cloud(login_error=LoginFailed("damaged", hint="again")), "login", "problem", "damaged", "again"),
        (cloud(clock_off_s=400.0), "clock", "problem", "400 s ahead of", "timedatectl"),
        (cloud(clock_off_s=-100.0), "clock", "warn", "100 s behind", "hwclock"),
        (cloud(error=GONE), "access", "problem", "it is gone", "bring it back"),
        (asked(architecture="arm64"), "architecture", "problem", "for arm64", "--platform linux/amd64"),
        (asked(error=GONE), "function", "problem", "it is gone", "bring it back"),
        (asked(state="UPDATING"), "function", "problem", "is updating", "wait"),
        (asked(image_error=GONE), "image", "problem", "it is gone", "bring it back"),
        (asked(call_error=GONE), "call", "problem", "it is gone", "bring it back"),
        (replace(HOME, last_error=NbfnError("oops", hint="so")), "last error", "warn", "oops", "so"),
    ],
)  # fmt: skip
def test_each_cause_is_found(facts: Facts, subject: str, status: str, message: str, advice: str) -> None:
    found = next(each for each in diagnose(facts) if each.subject == subject and each.status != "ok")
    assert found.status == status
    assert message in found.message
    assert advice in found.advice


def test_a_statement_to_be_copied_stays_whole() -> None:
    hint = policy_hint("ListApp", Place(compartment_id=COMPARTMENT, region="us-ashburn-1"))
    statement = hint.splitlines()[-1].strip()
    assert statement.startswith("Allow group ")
    text = str(
        Diagnosis([Finding("access", "problem", "no", f"{'far too long a word ' * 9}a-b-c\n    {statement}")])
    )
    assert statement in (line.strip() for line in text.splitlines())
    assert max(len(line) for line in text.splitlines() if "Allow" not in line) < 120
    assert "a-b-c" in text


def test_who_builds_with_podman_logs_in_with_it() -> None:
    facts = cloud(login=None)
    facts = replace(facts, machine=replace(facts.machine, engine="Podman"))
    (found,) = (each for each in diagnose(facts) if each.subject == "login")
    assert found.advice.startswith("podman login iad.ocir.io -u 'ns/USER'")


def test_code_alone_needs_a_python_that_oci_has() -> None:
    facts = replace(registry(""), machine=Machine((3, 13)))
    (found,) = (each for each in diagnose(facts) if each.subject == "code")
    assert "runs that on Python 3.11 and 3.12, not on 3.13" in found.message


def test_every_check_says_what_it_asks() -> None:
    assert all((check.__doc__ or "").endswith("?") or check.__name__ == "last_error" for check in CHECKS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    assert len(explain(code)) > 20

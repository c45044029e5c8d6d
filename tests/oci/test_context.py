"""A context of OCI from the command line and from Python: the whole way, and everything that can go wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn.contexts import Context
from nbfn.deploy.oci import settings_of
from nbfn.errors import BadInput, CredentialsError
from nbfn.targets.oci import open_oci
from tests.commands.fnline import fn
from tests.containerize.registries import running
from tests.oci.home import SUBNETS, VERSIONS, use_oracle
from tests.oci.people import COMPARTMENT, SUBNET, TENANCY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.oci.server import Cloud


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield f"{found.host}/ns/team"


@pytest.mark.needs("docker-registry")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_whole_way_by_image(version: str, home: Path, cloud: Cloud, registry: str) -> None:
    use_oracle(cloud, registry, version)
    done = fn("create", "app", "app01", "--annotation", SUBNETS, "--shape", "GENERIC_X86", "-c", "LEVEL=1")
    assert done.out == "Successfully created app: app01\n"
    assert json.loads(fn("inspect", "app", "app01", "shape").out) == "GENERIC_X86"
    assert json.loads(fn("inspect", "app", "app01", "annotations.oracle.com/oci/subnetIds").out) == [SUBNET]

    fn("init", "--runtime", "python", "hello-func")
    done = fn("deploy", "--app", "app01", "hello-func")
    assert done.code == 0, done.err
    assert f"using image {registry}/hello-func:0.0.2" in done.out
    assert fn("list", "app").out.splitlines()[1].startswith("app01")
    (listed,) = json.loads(fn("list", "f", "app01", "--output", "json").out)
    assert listed["image"] == f"{registry}/hello-func:0.0.2"
    assert listed["id"].startswith("ocid1.fnfunc.")
    assert fn("invoke", "app01", "hello-func").out == '{"message": "Hello World"}'
    assert fn("invoke", "app01", "hello-func", body='{"name": "Bo"}').out == '{"message": "Hello Bo"}'

    later = fn("invoke", "--fn-invoke-type", "detached", "app01", "hello-func")
    assert later.out.startswith("Call ID: ")
    assert cloud.detached_done.acquire(timeout=60)
    assert cloud.detached.pop() == ("hello-func", 200)
    assert fn("invoke", "--is-dry-run", "app01", "hello-func").out == ""

    assert fn("config", "f", "app01", "hello-func", "KEY", "a b").code == 0
    assert fn("update", "f", "app01", "hello-func", "--memory", "512", "--timeout", "60").code == 0
    assert fn("inspect", "f", "app01", "hello-func", "memory").out == "512\n"
    assert fn("deploy", "--app", "app01", "hello-func").code == 0
    assert fn("get", "config", "f", "app01", "hello-func", "KEY").out == "a b\n"
    assert "NBFN_KEY" not in fn("inspect", "f", "app01", "hello-func").out
    assert fn("config", "app", "app01", "LEVEL", "2").code == 0
    assert fn("get", "config", "app", "app01", "LEVEL").out == "2\n"
    assert version in fn("version").out

    assert fn("delete", "app", "app01").code == 1
    assert fn("delete", "f", "app01", "hello-func").out == "Function hello-func deleted\n"
    assert fn("delete", "app", "app01").out == "App app01 deleted\n"
    assert fn("list", "apps").err == "No apps found\n"
    assert cloud.refused == []


@pytest.mark.needs("oci-sdk")
def test_the_whole_way_by_code(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    fn("init", "--runtime", "python", "hello-func")
    assert fn("deploy", "--app", "app01", "hello-func").code == 0
    done = fn("invoke", "app01", "hello-func")
    assert (done.out, done.err) == ('{"message": "Hello World"}', "")
    (listed,) = json.loads(fn("list", "f", "app01", "--output", "json").out)
    assert listed["image"].startswith("archive python3")
    assert fn("delete", "app", "app01", "--recursive").code == 0


@pytest.mark.needs("docker-registry")
def test_functions_of_python_follow_the_context(home: Path, cloud: Cloud, registry: str) -> None:
    def greet(name: str) -> str:
        print("called for", name)
        if not name:
            raise ValueError("nobody")
        return f"Hello, {name}!"

    made = nbfn.function(greet, memory=128)
    assert made("Ana") == "Hello, Ana!"
    use_oracle(cloud, registry)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    assert made.deployment is None
    assert made("Bo") == "Hello, Bo!"
    assert made.last is not None
    assert (made.last.start, made.last.output) == ("cold", "called for Bo\n")
    with pytest.raises(ValueError, match="nobody"):
        made("")
    assert made.image is not None
    assert made.image.repository == f"{registry}/greet"
    assert str(made.url).startswith(f"{cloud.store.endpoint}/20260325/functions/ocid1.fnfunc.")
    assert not made.deploy().deployment.changed  # type: ignore[union-attr]
    assert [app.name for app in nbfn.apps()] == ["notebook"]
    assert [each.memory_mb for each in nbfn.functions("notebook")] == [128]
    answer = nbfn.invoke_function("notebook", "greet", '"Cy"', content_type="application/json")
    assert answer.text == '"Hello, Cy!"'
    assert nbfn.invoke_function("notebook", "greet", '"Cy"', detached=True).status == 202
    assert cloud.detached_done.acquire(timeout=60)
    assert made.undeploy()


@pytest.mark.needs("docker-registry")
def test_repositories_are_made_where_the_context_says(home: Path, cloud: Cloud, registry: str) -> None:
    use_oracle(cloud, registry)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    nbfn.update_context("oracle.image-compartment-id", "ocid1.compartment.oc1..images")
    fn("init", "--runtime", "python", "hello")
    cloud.denied.add("CreateContainerRepository")
    done = fn("deploy", "--app", "app01", "--create-app", "hello")
    assert done.code == 1
    assert "to manage repos in compartment id ocid1.compartment.oc1..images" in done.err
    cloud.denied.clear()
    for _ in range(2):
        done = fn("deploy", "--app", "app01", "hello")
        assert done.code == 0, done.err
    assert cloud.artifacts.repositories == {"team/hello": "ocid1.compartment.oc1..images"}
    cloud.artifacts.repositories["team/hello"] = "ocid1.compartment.oc1..elsewhere"
    assert fn("deploy", "--app", "app01", "hello").code == 0
    assert cloud.artifacts.repositories == {"team/hello": "ocid1.compartment.oc1..elsewhere"}


# -- what cannot be, said before anything is sent ----------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("update f app01 f --memory 300", "next larger one is 512"),
        ("update f app01 f --timeout 301", "1 to 300 s"),
        ("create f app01 f iad.ocir.io/ns/f:1 --memory 64", "next larger one is 128"),
        ("create f app01 f iad.ocir.io/ns/f:1 --min-instances 1", "provisioned concurrency keeps instances"),
        ("update f app01 f --max-instances 2", "leave min_instances and max_instances out"),
        ("create f app01 f phx.ocir.io/ns/f:1", "registry of us-phoenix-1"),
        ("create f app01 f iad.ocir.io/ns/f", "has no tag"),
        ("create f app01 f iad.ocir.io/ns/f:1 -c A-B=1", "letters, digits"),
        ("update app app01 --annotation x=1", "keeps no annotation 'x'"),
        ("create app app01 --annotation oracle.com/oci/subnetIds=[a] --shape ARM", "'ARM' is none of OCI's"),
        ("create app app01", "`nbfn create app app01 --subnet-id"),
        ("create app app01" + " --subnet-id ocid1.subnet.oc1..a" * 4, "4 subnets are given"),
    ],
)
def test_what_oci_would_not_take(line: str, said: str, home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    done = fn(*line.split())
    assert done.code == 1
    assert said in done.err
    assert not [seen for seen in cloud.requests if seen.method != "GET"]
    if " f " in line:
        assert cloud.requests == []


def test_a_cell_whose_memory_oci_does_not_have_is_neither_built_nor_sent(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud, "localhost:1/ns")
    with pytest.raises(BadInput, match="memory is 300 MB"):
        nbfn.deploy(lambda: 1, name="one", memory=300)
    assert cloud.requests == []


def test_numbers_of_instances_are_refused_before_anything_is_built(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud, "localhost:1/ns")
    with pytest.raises(BadInput, match="the number of instances is to be 1 to 3"):
        nbfn.deploy(lambda: 1, name="one", memory=128, min_instances=1, max_instances=3)
    fn("init", "--runtime", "python", "f")
    path = home / "f" / "func.yaml"
    path.write_text(path.read_text() + "annotations:\n  nbfn.org/max-instances: 2\n")
    done = fn("deploy", "--app", "app01", "--create-app", "f")
    assert done.code == 1
    assert "the number of instances is to be at most 2" in done.err
    assert cloud.requests == []
    assert not list((home / "state").rglob("blobs/sha256/*")), "nothing was built"


def test_triggers_are_refused_before_a_deployment(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    fn("init", "--runtime", "python", "--trigger", "http", "f")
    done = fn("deploy", "--app", "app01", "f")
    assert done.code == 1
    assert "'f' has triggers" in done.err
    assert cloud.store.fns == {}


# -- each refusal is an error of its own, in words ---------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "status", "code", "line", "said"),
    [
        ("ListApp", 401, "NotAuthenticated", "list apps", "compare them with the console's API keys"),
        ("ListApp", 404, "NotAuthorizedOrNotFound", "list apps", "to inspect fn-app in compartment id"),
        ("CreateApp", 409, "NotAuthorizedOrResourceAlreadyExists", "create app x", "that name is taken"),
        ("UpdateFunction", 412, "NoEtagMatch", "update f app01 f --memory 512", "somebody else changed it"),
        ("UpdateFunction", 413, "PayloadTooLarge", "update f app01 f --memory 512", "more was sent than OCI"),
        ("CreateFunction", 413, "PayloadTooLarge", "create f app01 g iad.ocir.io/n/g:1", "holds 25 MB"),
        ("CreateFunction", 400, "LimitExceeded", "create f app01 g iad.ocir.io/n/g:1", "service limit"),
        ("InvokeFunction", 401, "NotAuthenticated", "invoke app01 f", "API keys"),
        ("InvokeFunction", 404, "NotAuthorizedOrNotFound", "invoke app01 f", "to use fn-invocation in"),
        ("InvokeFunction", 413, "FunctionInvokeRequestContentTooLarge", "invoke app01 f", "arguments hold 6"),
        ("InvokeFunction", 429, "TooManyRequests", "invoke app01 f", "total-concurrency-mb"),
        ("InvokeFunction", 502, "FunctionInvokeContainerInitFail", "invoke app01 f", "a module is missing"),
        ("InvokeFunction", 502, "FunctionInvokeImageNotAvailable", "invoke app01 f", "in this order"),
        ("InvokeFunction", 503, "FunctionInvokeServiceUnavailable", "invoke app01 f", "OCI is busy"),
        ("InvokeFunction", 504, "FunctionInvokeTimeout", "invoke app01 f", "its limit is 30 s"),
        ("InvokeFunction", 504, "FunctionInvokeContainerInitTimeout", "invoke app01 f", "memory was too"),
    ],
)
def test_refusals(
    operation: str, status: int, code: str, line: str, said: str, home: Path, cloud: Cloud
) -> None:
    use_oracle(cloud)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    fn("create", "app", "app01")
    fn("create", "f", "app01", "f", "iad.ocir.io/ns/f:1")
    cloud.fail(operation, status, code, "as planned")
    done = fn(*line.split())
    assert (done.code, done.out) == (1, "")
    assert f"as planned ({status} {code}" in done.err
    assert said in done.err


def test_a_throttled_request_is_repeated(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    cloud.fail("ListApp", 429, "TooManyRequests", retry_after="0")
    assert fn("list", "apps").code == 0


def test_who_waits_for_an_answer_is_told_for_what(
    home: Path, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    use_oracle(cloud)
    for _ in range(3):
        cloud.fail("ListApp", 429, "TooManyRequests", retry_after="0")
    assert fn("list", "apps").code == 0
    said = [record.getMessage() for record in caplog.records if record.name == "nbfn.deploy.oci.api"]
    assert len(said) == 2, "not at the first, which is over in a moment"
    assert said[0].startswith("ListApp: 429 TooManyRequests from http")
    assert ", asked again in " in said[0]


def test_an_idle_timeout_is_not_taken_without_a_word(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    fn("create", "app", "app01")
    for line in ("create f app01 f iad.ocir.io/ns/f:1", "update f app01 f"):
        done = fn(*line.split(), "--idle-timeout", "77")
        assert done.code == 1
        assert "OCI Functions sets no idle timeout" in done.err
        fn("create", "f", "app01", "f", "iad.ocir.io/ns/f:1")


def test_work_that_fails_later(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    cloud.fail_work("CREATE_APPLICATION", "SubnetNotFound", "the subnet is gone")
    done = fn("create", "app", "app01")
    assert done.code == 1
    assert "CreateApp was accepted and then failed: the subnet is gone (SubnetNotFound)" in done.err


def test_nobody_there(home: Path, cloud: Cloud) -> None:
    use_oracle(cloud)
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    fn("create", "app", "app01")
    fn("create", "f", "app01", "f", "iad.ocir.io/ns/f:1")
    done = fn("invoke", "--endpoint", "http://127.0.0.1:1/x")
    assert "nothing answers at http://127.0.0.1:1/x" in done.err


# -- what a context means ----------------------------------------------------------------------------


def context(**oracle: str) -> Context:
    told = {key.replace("_", "-"): value for key, value in oracle.items()}
    return Context("c", "oracle", told.pop("api-url", ""), "", "", {"compartment-id": COMPARTMENT, **told})


def test_every_key_of_a_context() -> None:
    made = settings_of(
        context(
            api_url="https://functions.us-phoenix-1.oci.oraclecloud.com",
            profile="WORK",
            image_compartment_id="ocid1.compartment.oc1..images",
            tenancy_id=TENANCY,
            user_id="u",
            fingerprint="aa",
            key_file="k",
            pass_phrase="p",
            disable_certs="true",
            subnet_ids='["a", "b"]',
            shape="GENERIC_ARM",
            api_version="20181201",
        ),
        {},
    )
    assert (made.profile, made.region, made.endpoint) == (
        "WORK", "us-phoenix-1", "https://functions.us-phoenix-1.oci.oraclecloud.com",
    )  # fmt: skip
    assert made.image_compartment_id == "ocid1.compartment.oc1..images"
    assert made.overrides == {
        "tenancy": TENANCY, "user": "u", "fingerprint": "aa", "key_file": "k", "pass_phrase": "p"
    }  # fmt: skip
    assert (made.verify, made.subnet_ids, made.shape) == (False, ("a", "b"), "GENERIC_ARM")
    assert made.api_version == "20181201"


@pytest.mark.parametrize(
    ("provider", "auth"),
    [("oracle", ""), ("oracle-ip", "instance_principal"), ("oracle-cs", "instance_obo_user")],
)
def test_who_asks(provider: str, auth: str) -> None:
    made = settings_of(Context("c", provider, oracle={"compartment-id": COMPARTMENT}), {})
    assert made.auth == auth


def test_cloud_shell_means_the_root_compartment() -> None:
    assert settings_of(Context("c", "oracle-cs"), {"OCI_TENANCY": TENANCY}).compartment_id == TENANCY


@pytest.mark.parametrize(
    ("oracle", "said"),
    [
        ({"compartment_id": "mine"}, "context 'c': compartment 'mine' is not a compartment's id"),
        ({"compartment_id": ""}, "context 'c' does not say which compartment"),
        ({"shape": "ARM"}, "context 'c': shape 'ARM'"),
        ({"api_version": "1"}, "context 'c': API version '1'"),
        ({"api_url": "https://host/20181201"}, "context 'c': endpoint"),
        ({"subnet_ids": "a,b,c,d"}, "context 'c': 4 subnets"),
    ],
)
def test_a_context_that_cannot_be(oracle: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        settings_of(context(**oracle), {})
    assert said in caught.value.message


def test_a_context_without_a_profile_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match=r"\.oci/config is not there"):
        open_oci(context())


# -- what was written and counted --------------------------------------------------------------------


@pytest.mark.needs("docker-registry")
def test_logs_and_stats(home: Path, cloud: Cloud, registry: str) -> None:
    use_oracle(cloud, registry)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    fn("init", "--runtime", "python", "hello-func")
    fn("deploy", "--app", "app01", "hello-func")
    done = fn("logs", "app01", "hello-func")
    assert (done.out, "log is enabled" in done.err) == ("", True)
    first, _ = fn("invoke", "--display-call-id", "app01", "hello-func").out.split("\n", 1)
    fn("invoke", "app01", "hello-func")
    shown = fn("logs", "app01", "hello-func").out
    assert shown.count("Served function invocation request") == 2
    one = json.loads(fn("logs", "app01", "hello-func", "--call", first.split()[-1], "--output", "json").out)
    assert {line["call_id"] for line in one} == {first.split()[-1]}
    assert fn("stats", "app01", "hello-func").out.splitlines()[1].split()[:4] == ["60", "2", "0", "0"]
    cloud.denied.add("SummarizeMetrics")
    assert "to read metrics in compartment id" in fn("stats", "app01", "hello-func").err


def test_logs_and_stats_at_home(home: Path) -> None:
    fn("init", "--runtime", "python", "f")
    (home / "f" / "func.py").write_text("def handler(ctx, data):\n    print('here')\n    return 1\n")
    fn("deploy", "--app", "a", "--create-app", "f")
    assert fn("invoke", "a", "f").out == "1"
    assert "here" in fn("logs", "a", "f").out
    heads, row = fn("stats", "a", "f").out.splitlines()
    assert row.split()[:2] == ["a", "f"]
    assert heads.split()[0] == "app"
    (known,) = json.loads(fn("stats", "a", "f", "--output", "json").out)
    assert (known["calls"], known["cold"], known["failed"]) == (1, 1, 0)

"""``list pbfs``, ``get pbfs``, ``change-compartment``, and options for tags and modes, against OCI's API."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn.errors import BadInput, NotFound
from tests.commands.fnline import at_home, fn
from tests.oci.home import use_oracle
from tests.oci.parts import ROOT, SDKS
from tests.oci.people import COMPARTMENT, SUBNET
from tests.oci.prebuilt import LISTINGS, VERSIONS, serve_prebuilt

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.server import Cloud

OTHER = "ocid1.compartment.oc1..other"
P = "oracle.com/oci/"


@pytest.fixture
def home(home: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Path:
    serve_prebuilt(monkeypatch)
    use_oracle(cloud)
    return home


def test_pre_built_functions(home: Path) -> None:
    listed = fn("list", "pbfs").out.splitlines()
    assert listed[0].split() == ["NAME", "PUBLISHER", "UPDATED", "TRIGGERS", "ID"]
    assert "service-connector,http" in listed[2]
    assert len(listed) == 3
    assert len(fn("list", "pbfs", "--limit", "1").out.splitlines()) == 2
    found = json.loads(fn("list", "pbfs", "--search", "media", "--output", "json").out)
    assert [each["name"] for each in found] == ["Media Workflow"]
    assert len(fn("list", "pbfs", "--trigger", "service-connector").out.splitlines()) == 2

    versions = fn("list", "pbfs", "versions", "Document Generator").out.splitlines()
    assert versions[0].split() == ["VERSION", "STATE", "UPDATED", "MIN_MEMORY_MBS", "ID"]
    assert versions[1].split()[:4] == ["1.0.0", "ACTIVE", "2026-05-01T00:00:00.000Z", "512"]
    current = json.loads(
        fn("list", "pbfs", "versions", LISTINGS[0]["id"], "--current", "--output", "json").out
    )
    assert current == VERSIONS[1:]
    assert fn("list", "pbfs", "triggers").out.split() == ["NAME", "http", "service-connector"]
    assert fn("list", "pbfs", "triggers", "http").out.split() == ["NAME", "http"]

    assert json.loads(fn("get", "pbfs", "Media Workflow").out) == LISTINGS[1]
    assert json.loads(fn("get", "pbfs", LISTINGS[1]["id"]).out) == LISTINGS[1]
    assert json.loads(fn("get", "pbfs", "version", VERSIONS[0]["id"]).out) == VERSIONS[0]
    missing = fn("get", "pbfs", "Nothing")
    assert (missing.code, missing.out) == (1, "")
    assert "has no pre-built function 'Nothing'" in missing.err
    assert fn("get", "pbfs", "version", "ocid1.none").code == 1
    assert fn("get", "pbfs").code == 2
    assert [each.name for each in nbfn.prebuilt_versions("Document Generator")] == ["1.0.0", "1.1.0"]


def test_a_function_of_a_pre_built_one(home: Path, cloud: Cloud) -> None:
    fn("create", "app", "shop", "--subnet-id", SUBNET)
    told = ["--pbf", "Document Generator", "--tag", "team=data", "-c", "LEVEL=1", "--detached-timeout", "1m"]
    done = fn("create", "function", "shop", "docs", *told)
    assert done.code == 0, done.err
    assert done.out == "Successfully created function: docs with Document Generator\n"
    (made,) = cloud.store.fns.values()
    assert made.document["sourceDetails"] == {
        "sourceType": "PRE_BUILT_FUNCTIONS",
        "pbfListingId": LISTINGS[0]["id"],
    }
    assert (made.document["memoryInMBs"], made.document["config"]) == (512, {"LEVEL": "1"})
    assert (made.document["freeformTags"], made.document["detachedModeTimeoutInSeconds"]) == (
        {"team": "data"},
        60,
    )
    assert "pre-built ocid1.pbflisting" in fn("list", "f", "shop").out
    source = {"sourceType": "PRE_BUILT_FUNCTIONS", "pbfListingId": LISTINGS[0]["id"]}
    assert json.loads(fn("inspect", "f", "shop", "docs", "sourceDetails").out) == source
    assert f"pbf:{LISTINGS[0]['id']}" in fn("list", "f", "shop").out.splitlines()[1].split()
    less = fn("create", "function", "shop", "x", "--pbf", LISTINGS[0]["id"], "--memory", "256")
    assert (less.code, "needs 512 MB, and is given 256" in less.err) == (1, True)
    assert fn("create", "function", "shop", "x", "me/f:1", "--pbf", "y").code == 2
    assert fn("create", "function", "shop", "docs", *told).code == 1, "it is there"
    assert nbfn.create_prebuilt("shop", "more", "Document Generator", memory=1024).startswith("ocid1.fnfunc")


def test_a_project_of_a_pre_built_function(home: Path, cloud: Cloud) -> None:
    fn("create", "app", "shop", "--subnet-id", SUBNET)
    told = ("--pbf", LISTINGS[0]["id"], "-c", "LEVEL=1", "--tag", "team=data", "--detached-timeout", "1m")
    done = fn("init", *told, "docs")
    assert (done.code, done.err) == (0, "")
    assert [each.name for each in (home / "docs").iterdir()] == ["func.yaml"], "there is no code"
    text = (home / "docs" / "func.yaml").read_text()
    assert f"    pbf:\n      listing_id: {LISTINGS[0]['id']}\n" in text
    assert "runtime" not in text

    done = fn("deploy", "--app", "shop", "docs")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "Deploying function at: ./docs",
        "Deploying docs to app: shop",
        f"Updating function docs using pre-built function {LISTINGS[0]['id']}...",
        "Bumped to version 0.0.2",
    ]
    (made,) = cloud.store.fns.values()
    assert made.document["sourceDetails"]["pbfListingId"] == LISTINGS[0]["id"]
    assert (made.document["memoryInMBs"], made.document["config"]) == (512, {"LEVEL": "1"})
    assert made.document["detachedModeTimeoutInSeconds"] == 60
    assert (made.document["freeformTags"], made.version) == ({"team": "data"}, 1)

    again = nbfn.deploy_project("docs", "shop", bump=False)
    assert (again.image, again.listing, again.changed) == (None, LISTINGS[0]["id"], False)
    assert made.version == 1, "nothing was sent that is there already"
    file = home / "docs" / "func.yaml"
    file.write_text(file.read_text().replace("LEVEL: '1'", "LEVEL: '2'") + "memory: 1024\ntimeout: 60\n")
    assert nbfn.deploy_project("docs", "shop").changed
    held = made.document
    assert (held["memoryInMBs"], held["timeoutInSeconds"], held["config"]) == (1024, 60, {"LEVEL": "2"})
    assert held["freeformTags"] == {"team": "data"}
    assert nbfn.bump_project("docs") == "0.0.4"

    for verb in (nbfn.build_project, nbfn.push_project, nbfn.load_folder):
        with pytest.raises(BadInput, match="there is nothing to build or push"):
            verb("docs")
    file.write_text(file.read_text().replace("memory: 1024", "memory: 256"))
    less = fn("deploy", "--app", "shop", "docs")
    assert (less.code, "needs 512 MB, and is given 256" in less.err) == (1, True)
    file.write_text(file.read_text().replace(LISTINGS[0]["id"], LISTINGS[1]["id"]))
    other = fn("deploy", "--app", "shop", "docs")
    assert (other.code, "OCI lets no function change that" in other.err) == (1, True)
    assert nbfn.bump_project("docs") == "0.0.5", "what failed did not bump"


def test_a_pre_built_function_has_no_code(home: Path) -> None:
    for told in (("--runtime", "python"), ("--trigger", "http"), ("--cmd", "x")):
        done = fn("init", "--pbf", LISTINGS[0]["id"], *told, "docs")
        assert (done.code, "OCI has built it already" in done.err) == (1, True)
    assert not (home / "docs").exists()


def test_a_pre_built_function_is_ocis_alone(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_home(tmp_path, state, monkeypatch):
        assert fn("init", "--pbf", "ocid1.pbflisting.x", "docs").code == 0
        done = fn("deploy", "--app", "shop", "--create-app", "docs")
        assert (done.code, "is no context of OCI" in done.err) == (1, True)
        assert fn("list", "apps").out == "", "nothing was made"
        assert fn("init", "--runtime", "python", "--tag", "team=data", "tagged").code == 0
        done = fn("deploy", "--app", "shop", "--create-app", "tagged")
        assert done.code == 0, done.err
        assert "deploy.oci of func.yaml: only OCI Functions has that; left out\n" in done.out


def test_an_application_moves(home: Path, cloud: Cloud) -> None:
    assert fn("create", "app", "shop", "--subnet-id", SUBNET).code == 0
    done = fn("change-compartment", "app", "shop", "--compartment-id", OTHER)
    assert done.out == f"App shop moved to compartment {OTHER}\n"
    assert "fn update context oracle.compartment-id" in done.err
    (app,) = cloud.store.apps.values()
    assert app.document["compartmentId"] == OTHER
    assert fn("list", "apps").err == "No apps found\n"
    assert fn("update", "context", "oracle.compartment-id", OTHER).code == 0
    assert fn("list", "apps").out.splitlines()[1].startswith("shop")
    with pytest.raises(BadInput, match="is not the id of a compartment"):
        nbfn.change_compartment("shop", "there")
    with pytest.raises(NotFound):
        nbfn.change_compartment("gone", COMPARTMENT)


def test_tags_come_change_and_go(home: Path, cloud: Cloud) -> None:
    told = [
        "--tag",
        "team=data",
        "--tag",
        "x=1",
        "--defined-tag",
        "Ops.Cost=42",
        "--defined-tag",
        "Ops.On=yes",
    ]
    assert fn("create", "app", "shop", "--subnet-id", SUBNET, *told).code == 0
    (app,) = cloud.store.apps.values()
    assert app.document["freeformTags"] == {"team": "data", "x": "1"}
    assert app.document["definedTags"] == {"Ops": {"Cost": "42", "On": "yes"}}
    assert app.document["subnetIds"] == [SUBNET]
    change = ["--tag", "team=web", "--remove-tag", "x", "--remove-defined-tag", "Ops.On"]
    assert fn("update", "app", "shop", *change, "--defined-tag", 'Geo.At={"lat": 1}').code == 0
    assert app.document["freeformTags"] == {"team": "web"}
    assert app.document["definedTags"] == {"Ops": {"Cost": "42"}, "Geo": {"At": {"lat": 1}}}
    assert fn("update", "app", "shop", "--clear-freeform-tags").code == 0
    assert app.document["freeformTags"] == {}
    assert app.document["definedTags"]["Ops"] == {"Cost": "42"}
    assert fn("update", "app", "shop", "--clear-tags").code == 0
    assert app.document["definedTags"] == {"Ops": {}, "Geo": {}}


def test_modes_of_a_function(home: Path, cloud: Cloud) -> None:
    fn("create", "app", "shop", "--subnet-id", SUBNET)
    told = [
        *("--provisioned-concurrency", "constant:40", "--detached-timeout", "20m"),
        *("--on-success", "stream:ocid1.stream.s", "--on-failure", "notifications:ocid1.onstopic.t"),
        *("--timeout-in-seconds", "60"),
    ]
    done = fn("create", "function", "shop", "f", "--image", "iad.ocir.io/ns/f:1", *told)
    assert done.code == 0, done.err
    (made,) = cloud.store.fns.values()
    held = made.document
    assert held["provisionedConcurrencyConfig"] == {"strategy": "CONSTANT", "count": 40}
    assert (held["detachedModeTimeoutInSeconds"], held["timeoutInSeconds"]) == (1200, 60)
    assert held["successDestination"] == {"kind": "STREAM", "streamId": "ocid1.stream.s"}
    assert held["failureDestination"] == {"kind": "NOTIFICATION", "topicId": "ocid1.onstopic.t"}
    shown = json.loads(fn("inspect", "f", "shop", "f").out)
    assert shown["provisionedConcurrency"] == {"strategy": "CONSTANT", "count": 40}
    ends = {
        "onSuccess": {"type": "stream", "ocid": "ocid1.stream.s"},
        "onFailure": {"type": "notification", "ocid": "ocid1.onstopic.t"},
    }
    assert shown["detachedMode"] == {"timeout": "20m", **ends}
    (listed,) = json.loads(fn("list", "f", "shop", "--output", "json").out)
    assert listed["detachedMode"] == shown["detachedMode"]
    heads, row = (line.split() for line in fn("list", "f", "shop").out.splitlines())
    assert heads == ["NAME", "IMAGE", "PC", "DETACHED_TIMEOUT", "DESTINATIONS", "ID"]
    assert row[2:4] == ["constant:40", "20m"]
    assert row[4] == "success=stream:ocid1.stream.s,failure=notification:ocid1.onstopic.t"
    off = ["--provisioned-concurrency", "none", "--clear-on-success"]
    assert fn("update", "f", "shop", "f", *off, "--detached-mode-timeout-in-seconds", "90").code == 0
    (made,) = cloud.store.fns.values()
    held = made.document
    assert held["provisionedConcurrencyConfig"]["strategy"] == "NONE"
    assert held["successDestination"]["kind"] == "NONE"
    assert held["failureDestination"]["kind"] == "NOTIFICATION"
    assert held["detachedModeTimeoutInSeconds"] == 90
    both = fn("update", "f", "shop", "f", "--on-success", "queue:ocid1.q", "--clear-on-success")
    assert (both.code, "contradict each other" in both.err) == (1, True)


def test_a_file_has_what_init_was_told(home: Path, cloud: Cloud) -> None:
    told = ["--detached-timeout", "1h", "--on-success", "queue:ocid1.queue.q", "--tag", "team=data"]
    assert fn("init", "--runtime", "python", "--defined-tag", "Ops.Cost=42", *told, "hello").code == 0
    text = (home / "hello" / "func.yaml").read_text()
    assert "    detached_mode:\n      timeout: 1h\n      on_success:\n        type: queue\n" in text
    (home / "hello" / "app.yaml").write_text(f"name: shop\nannotations:\n  {P}subnetIds: [{SUBNET}]\n")
    done = fn("deploy", "--create-app", "hello")
    assert done.code == 0, done.err
    (made,) = cloud.store.fns.values()
    assert made.document["detachedModeTimeoutInSeconds"] == 3600
    assert made.document["freeformTags"]["team"] == "data"
    assert made.document["definedTags"] == {"Ops": {"Cost": "42"}}


def test_lists_are_picked_and_sorted(home: Path) -> None:
    for name in ("b", "a", "c"):
        fn("create", "app", name, "--subnet-id", SUBNET)

    def names(*told: str) -> list[str]:
        return [line.split()[0] for line in fn("list", "apps", *told).out.splitlines()[1:]]

    assert names("--sort-by", "displayName", "--sort-order", "DESC") == ["c", "b", "a"]
    assert names("--sort-by", "name", "-n", "2") == ["a", "b"]
    assert names("--display-name", "b") == ["b"]
    found = json.loads(fn("inspect", "app", "c", "id").out)
    assert names("--id", found) == ["c"]
    assert "OCI has no cursors" in fn("list", "apps", "--cursor", "x").err


@pytest.mark.needs("oci-sdk")
def test_the_server_is_as_the_sdk_expects_it(home: Path, cloud: Cloud) -> None:
    fn("create", "app", "shop", "--subnet-id", SUBNET)
    (app,) = cloud.store.apps
    run = subprocess.run(
        [
            *(SDKS["20260325"], "-B", "tests/oci/sdk_prebuilt.py"),
            *(str(home / ".oci" / "config"), cloud.store.endpoint, app, OTHER),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {
        "listings": ["Media Workflow"],
        "versions": ["1.0.0", "1.1.0"],
        "least": 512,
        "triggers": ["http", "service-connector"],
        "one": "Media Workflow for everybody",
        "version": "1.1.0",
    }
    assert cloud.store.apps[app].document["compartmentId"] == OTHER


@pytest.mark.parametrize(
    "line",
    ["list pbfs", "get pbfs x", "list pbfs versions x", "change-compartment app a --compartment-id ocid1.x"],
)
def test_elsewhere_there_is_nothing_of_it(
    line: str, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_home(tmp_path, state, monkeypatch):
        fn("create", "context", "there", "--api-url", "http://127.0.0.1:1")
        done = fn("--context", "there", *line.split())
    assert done.code == 1
    assert "context 'there' is no context of OCI" in done.err

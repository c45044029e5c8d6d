"""``--if-match``, ``--wait-for-state``, ``--from-json`` and what OCI's applications have beyond Fn's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

import nbfn
from nbfn.commands.main import cli
from nbfn.errors import BadInput, Changed, TargetError, TargetUnavailable
from tests.commands.fnline import Done, at_home, fn
from tests.oci.home import VERSIONS, at_oracle, use_oracle
from tests.oci.people import SUBNET
from tests.oci.prebuilt import LISTINGS, serve_prebuilt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.oci.server import Cloud
    from tests.oci.store import Thing

IMAGE = "iad.ocir.io/ns/f:1"
OTHER = "ocid1.compartment.oc1..other"
P = "oracle.com/oci/"
TRACE = {"isEnabled": True, "domainId": "ocid1.apmdomain.d"}
POLICY = {"isPolicyEnabled": True, "keyDetails": [{"kmsKeyId": "ocid1.key.k"}]}
SECURITY = {"Oracle-ZPR": {"MaxEgressCount": {"value": "42", "mode": "enforce"}}}


@pytest.fixture(params=VERSIONS)
def home(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    tmp_path: Path,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    serve_prebuilt(monkeypatch)
    with at_oracle(tmp_path, state, cloud, monkeypatch) as found:
        use_oracle(cloud, version=request.param)
        yield found


def ok(*words: str) -> Done:
    done = fn(*words)
    assert done.code == 0, done.err
    return done


def etag(*names: str) -> str:
    return str(json.loads(ok("inspect", "app" if len(names) == 1 else "function", *names, "etag").out))


def app_of(cloud: Cloud) -> Thing:
    (held,) = cloud.store.apps.values()
    return held


def test_what_has_changed_since_is_not_touched(home: Path, cloud: Cloud) -> None:
    ok("create", "app", "shop", "--subnet-id", SUBNET)
    ok("create", "function", "shop", "f", IMAGE)
    app, function = etag("shop"), etag("shop", "f")
    ok("update", "app", "shop", "-c", "A=1", "--if-match", app)
    ok("update", "function", "shop", "f", "--memory", "256", "--if-match", function)
    stale = [
        ("update", "app", "shop", "-c", "A=2", "--if-match", app),
        ("update", "app", "shop", "-c", "A=1", "--if-match", app),  # nothing to change, and still stale
        ("update", "f", "shop", "f", "--memory", "512", "--if-match", function),
        ("change-compartment", "app", "shop", "--compartment-id", OTHER, "--if-match", app),
        ("delete", "f", "shop", "f", "--if-match", function),
    ]
    for words in stale:
        done = fn(*words)
        assert (done.code, done.out) == (1, ""), words
        assert "412" in done.err
    with pytest.raises(Changed):
        nbfn.update_app("shop", config={"A": "2"}, terms=nbfn.Terms(if_match=app))
    assert app_of(cloud).document["config"] == {"A": "1"}
    (held,) = cloud.store.fns.values()
    assert held.document["memoryInMBs"] == 256

    whole = fn("delete", "app", "shop", "--recursive", "--if-match", app)
    assert (whole.code, "412" in whole.err) == (1, True)
    assert cloud.store.fns, "what is in it stays, too"
    assert "`nbfn delete app NAME --recursive`" in fn("delete", "app", "shop").err

    ok("delete", "f", "shop", "f", "--if-match", etag("shop", "f"))
    assert fn("delete", "app", "shop", "--if-match", app).code == 1
    ok("delete", "app", "shop", "--from-json", json.dumps({"ifMatch": etag("shop")}))
    assert not cloud.store.apps


def test_it_is_waited_for(home: Path, cloud: Cloud) -> None:
    soon = ("--wait-interval-seconds", "0.01")
    ok("create", "app", "shop", "--subnet-id", SUBNET, "--wait-for-state", "active", *soon)
    held = app_of(cloud)
    held.states = ["UPDATING"] * 9
    ok("update", "app", "shop", "-c", "A=1", "--wait-for-state", "ACTIVE", *soon)
    assert not held.states, "it was looked at until it was there"
    held.states = ["UPDATING"] * 500
    late = fn("update", "app", "shop", "--wait-for-state", "ACTIVE", "--max-wait-seconds", "0.05", *soon)
    assert late.code == 1
    assert "'shop' is UPDATING, not ACTIVE, after 0.05 s" in late.err
    held.states = ["UPDATING"] * 4 + ["FAILED"] * 9
    with pytest.raises(TargetError, match="'shop' has failed in OCI") as caught:
        nbfn.update_app("shop", config={"A": "2"}, terms=nbfn.Terms(state="ACTIVE", every_s=0.01))
    assert not isinstance(caught.value, TargetUnavailable)
    held.states = []
    ok("create", "function", "shop", "f", "--pbf", LISTINGS[0]["id"], "--wait-for-state", "ACTIVE", *soon)
    ok("delete", "function", "shop", "f", "--wait-for-state", "DELETED", *soon)
    move = ("--compartment-id", OTHER, "--wait-for-state", "ACTIVE")
    ok("change-compartment", "app", "shop", *move, *soon)
    assert fn("delete", "app", "shop", "--wait-for-state", "GONE").code == 2
    with pytest.raises(BadInput, match="no application or function is 'GONE'"):
        nbfn.Terms(state="GONE")
    with pytest.raises(BadInput, match="looked at every 0 s"):
        nbfn.Terms(state="ACTIVE", every_s=0)


def test_an_application_has_all_that_oci_has(home: Path, cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text(json.dumps(POLICY))
    told = [
        *("--network-security-group-ids", "ocid1.nsg.a", "--network-security-group-ids", "ocid1.nsg.b"),
        *("--image-policy-config", f"file://{tmp_path / 'policy.json'}", "--trace-config", json.dumps(TRACE)),
        *("--security-attributes", json.dumps(SECURITY)),
    ]
    ok("create", "app", "shop", "--subnet-id", SUBNET, *told)
    held = app_of(cloud).document
    assert held["networkSecurityGroupIds"] == ["ocid1.nsg.a", "ocid1.nsg.b"]
    assert (held["imagePolicyConfig"], held["traceConfig"]) == (POLICY, TRACE)
    assert held["securityAttributes"] == SECURITY
    shown = json.loads(ok("inspect", "app", "shop", "annotations").out)
    assert shown[f"{P}parity/traceConfig"] == TRACE
    assert shown[f"{P}parity/imagePolicyConfig"] == POLICY
    assert json.loads(ok("inspect", "app", "shop", "imagePolicyConfig").out) == POLICY
    assert ok("inspect", "app", "shop", "traceConfig.isEnabled").out == "true\n"
    ok("update", "app", "shop", "--trace-config", '{"isEnabled": false}')
    assert app_of(cloud).document["traceConfig"] == {"isEnabled": False}
    bad = [
        (1, "--network-security-group-ids", "here", 'give their ids, as in ["ocid1.…"]'),
        (1, "--trace-config", "{}", '{"isEnabled": true}'),
        (2, "--max-wait-seconds", "soon", "'soon' is not a valid number."),
        (2, "--trace-config", "[1]", "it is [1], and no JSON object"),
        (2, "--trace-config", '{"isEnabled": yes}', "line 1, column 15"),
        (2, "--security-attributes", f"file://{tmp_path}/nosuch", "No such file"),
    ]
    for code, option, value, said in bad:
        done = fn("update", "app", "shop", option, value)
        assert (done.code, done.out) == (code, ""), option
        assert said in " ".join(done.err.split())


def test_destinations_in_ocis_words(home: Path, cloud: Cloud) -> None:
    ok("create", "app", "shop", "--subnet-id", SUBNET)
    queue = {"kind": "QUEUE", "queueId": "ocid1.queue.q", "channelId": "late"}
    told = ("--success-destination", json.dumps(queue), "--trace-config", '{"isEnabled": true}')
    ok("create", "function", "shop", "f", IMAGE, *told)
    (made,) = cloud.store.fns.values()
    assert made.document["successDestination"] == queue
    assert made.document["traceConfig"] == {"isEnabled": True}
    topic = {"kind": "NOTIFICATION", "topicId": "ocid1.onstopic.t"}
    ok("update", "f", "shop", "f", "--failure-destination", json.dumps(topic), "--clear-on-success")
    (made,) = cloud.store.fns.values()
    assert made.document["failureDestination"] == topic
    assert made.document["successDestination"] == {"kind": "NONE"}
    both = fn("update", "f", "shop", "f", *told[:2], "--on-success", "queue:ocid1.q")
    assert (both.code, "--on-success and --success-destination contradict" in both.err) == (1, True)
    for wrong in ("{}", '{"kind": "MAIL"}', '{"kind": "STREAM"}'):
        assert fn("update", "f", "shop", "f", "--success-destination", wrong).code == 1


def test_all_of_it_in_one_object(home: Path, cloud: Cloud, tmp_path: Path) -> None:
    app = {
        "displayName": "shop",
        "config": {"A": "1"},
        "subnetIds": [SUBNET],
        "shape": "GENERIC_X86",
        "syslogUrl": "tcp://h:1",
        "freeformTags": {"team": "data"},
        "definedTags": {"Ops": {"Cost": "42", "At": {"lat": 1}}},
        "traceConfig": TRACE,
        "networkSecurityGroupIds": ["ocid1.nsg.a"],
        "imagePolicyConfig": POLICY,
        "securityAttributes": SECURITY,
        "waitForState": "ACTIVE",
        "waitIntervalSeconds": 1,
        "maxWaitSeconds": 9,
    }
    (tmp_path / "app.json").write_text(json.dumps({**app, "compartmentId": OTHER}))
    made = ok("create", "app", "--from-json", f"file://{tmp_path / 'app.json'}")
    assert made.out == "Successfully created app: shop\n"
    assert made.err == "--from-json: compartmentId: nothing that `cli create app` takes; left out\n"
    held = app_of(cloud).document
    assert {name: held.get(name) for name in app if "ait" not in name} == {
        name: value for name, value in app.items() if "ait" not in name
    }

    function = {
        "displayName": "f",
        "image": IMAGE,
        "memoryInMBs": 512,
        "timeoutInSeconds": 60,
        "config": {"B": "2"},
        "freeformTags": {"x": "1"},
        "detachedModeTimeoutInSeconds": 600,
        "provisionedConcurrencyConfig": {"strategy": "CONSTANT", "count": 20},
        "successDestination": {"kind": "STREAM", "streamId": "ocid1.stream.s"},
        "traceConfig": {"isEnabled": True},
    }
    ok("create", "function", "shop", "--from-json", json.dumps(function), "--memory", "1024")
    (held_fn,) = (each.document for each in cloud.store.fns.values())
    assert held_fn["memoryInMBs"] == 1024, "the line wins"
    same = {name: each for name, each in function.items() if name not in ("memoryInMBs", "image")}
    assert {name: held_fn[name] for name in same} == same
    assert held_fn["sourceDetails"]["image"] == IMAGE

    ok("create", "function", "shop", "g", "iad.ocir.io/ns/g:1", "--from-json", json.dumps(function))
    ok(
        "create",
        "function",
        "shop",
        "h",
        "--image",
        "iad.ocir.io/ns/h:1",
        "--from-json",
        json.dumps(function),
    )
    images = {
        each.document["displayName"]: each.document["sourceDetails"] for each in cloud.store.fns.values()
    }
    assert images["g"]["image"] == "iad.ocir.io/ns/g:1"
    assert images["h"]["image"] == "iad.ocir.io/ns/h:1"
    shaped = ok("update", "app", "shop", "--from-json", '{"shape": "GENERIC_ARM"}')
    assert "shape: nothing that `cli update app` takes; left out" in shaped.err
    change = {"config": {"B": ""}, "memoryInMBs": 256, "provisionedConcurrencyConfig": {"strategy": "NONE"}}
    ok("update", "function", "shop", "f", "--from-json", json.dumps(change))
    changed = next(each.document for each in cloud.store.fns.values() if each.document["displayName"] == "f")
    assert (changed["config"], changed["memoryInMBs"]) == ({}, 256)
    move = json.dumps({"compartmentId": OTHER, "ifMatch": etag("shop")})
    assert fn("change-compartment", "app", "shop").code == 2
    ok("change-compartment", "app", "shop", "--from-json", move)
    assert app_of(cloud).document["compartmentId"] == OTHER


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"config": 5}', "config is 5"),
        ('{"config": {"A": 1}}', "config.A is 1"),
        ('{"subnetIds": "x"}', 'subnetIds is "x"'),
        ('{"maxWaitSeconds": true}', "maxWaitSeconds is true"),
        ('{"definedTags": {"Ops": 1}}', "definedTags.Ops is 1"),
    ],
)
def test_fields_that_cannot_be(told: str, said: str, cloud: Cloud) -> None:
    done = fn("create", "app", "shop", "--from-json", told)
    assert (done.code, done.out) == (1, "")
    assert f"--from-json: {said}" in done.err
    assert not cloud.requests


def test_tab_knows_what_is_in_oci(home: Path, cloud: Cloud) -> None:
    ok("create", "app", "shop", "--subnet-id", SUBNET, "--trace-config", json.dumps(TRACE))
    ok("create", "function", "shop", "greet", IMAGE, "--config", "COLOUR=red")

    def completed(*words: str) -> list[str]:
        return [each.value for each in ShellComplete(cli, {}, "nbfn", "_X").get_completions(list(words), "")]

    assert completed("inspect", "app") == ["shop"]
    assert completed("invoke", "shop") == ["greet"]
    assert completed("get", "config", "function", "shop", "greet") == ["COLOUR"]
    assert {"etag", "traceConfig"} <= set(completed("inspect", "app", "shop"))
    assert "memory" in completed("inspect", "function", "shop", "greet")
    assert completed("inspect", "function", "shop", "none") == []


def test_lists_by_state(home: Path, cloud: Cloud) -> None:
    for name in ("a", "b"):
        ok("create", "app", name, "--subnet-id", SUBNET)
    first, _ = cloud.store.apps.values()
    first.states = ["DELETING"] * 2
    assert [
        line.split()[0] for line in ok("list", "apps", "--lifecycle-state", "deleting").out.splitlines()
    ] == [
        "NAME",
        "a",
    ]
    first.states = ["DELETING"] * 2
    assert "a " not in ok("list", "apps").out
    first.states = []
    told = {"sortBy": "displayName", "sortOrder": "DESC", "lifecycleState": "ACTIVE"}
    listed = ok("list", "apps", "--from-json", json.dumps(told)).out.splitlines()
    assert [line.split()[0] for line in listed] == ["NAME", "b", "a"]
    assert len(ok("list", "apps", "--from-json", '{"displayName": "b"}').out.splitlines()) == 2


def test_elsewhere_it_is_said_and_left_out(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at_home(tmp_path, state, monkeypatch):
        done = ok(
            "create",
            "app",
            "--from-json",
            '{"displayName": "a", "config": {"A": "1"}, "waitForState": "ACTIVE"}',
        )
        assert done.err == "--wait-for-state: only OCI Functions has that; left out\n"
        assert json.loads(ok("inspect", "app", "a", "config").out) == {"A": "1"}
        done = ok(
            "update", "app", "a", "-c", "A=2", "--if-match", "x", "--trace-config", '{"isEnabled": true}'
        )
        assert done.err.splitlines() == [
            "--if-match: only OCI Functions has that; left out",
            "--trace-config: only OCI Functions has that; left out",
        ]
        assert ok("list", "apps", "--lifecycle-state", "ACTIVE").out.splitlines()[1].startswith("a")
        ok("create", "function", "a", "f", "here/f:1")
        for recursive in (False, True):
            with pytest.raises(BadInput, match="neither etags nor states"):
                nbfn.delete_app("a", recursive=recursive, terms=nbfn.Terms(if_match="x"))
        assert [each.name for each in nbfn.functions("a")] == ["f"]
        ok("delete", "app", "a", "--wait-for-state", "DELETED")

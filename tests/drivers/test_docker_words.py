"""What the Docker driver decides without a daemon."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import urllib3

from nbfn.containerize import Layout
from nbfn.containerize.image import digest_of
from nbfn.drivers.base import StartRequest
from nbfn.drivers.docker import container, engine, images, usage
from nbfn.drivers.docker.container import Supplied
from nbfn.spec import ImageRef, Limits
from tests.drivers.rig import make_image


@pytest.mark.parametrize(
    ("said", "user"),
    [
        ("", "1000:1000"),
        ("root", "1000:1000"),
        ("0", "1000:1000"),
        ("0:5", "1000:1000"),
        ("fn", "1000:1000"),
        ("1001", "1001:1001"),
        ("1001:0", "1001:1001"),
        ("1001:50", "1001:50"),
    ],
)
def test_no_container_runs_as_root(said: str, user: str) -> None:
    assert container.user(said) == user


def made(memory_mb: int, image: Supplied, **env: str) -> dict[str, object]:
    request = StartRequest("i", ImageRef("x", tag="1"), Limits(memory_mb), env)
    iofs = Path("/run/i/iofs")
    return container.config(
        request, image, iofs, network="none", labels={"nbfn.state": "/s"}, ulimits={"nproc": 9}
    )


def test_what_a_container_is_created_with() -> None:
    found = made(1, Supplied("x:1", "7"), A="b=c", FN_LISTENER="unix:/elsewhere", NBFN_INSTANCE_ID="another")
    host = found["HostConfig"]
    assert isinstance(host, dict)
    assert (found["Image"], found["User"]) == ("x:1", "7:7")
    wanted = ["HOME=/tmp", "A=b=c", "FN_LISTENER=unix:/tmp/iofs/lsnr.sock", "NBFN_INSTANCE_ID=i"]
    assert sorted(found["Env"]) == sorted(wanted)  # type: ignore[call-overload]
    assert found["Labels"] == {"nbfn.state": "/s", "nbfn.instance": "i", "nbfn.image": "x:1"}
    assert host["Memory"] == host["MemorySwap"] == 6 << 20, "less, no daemon takes"
    assert "size=32m" in host["Tmpfs"]["/tmp"]
    assert {"Name": "nproc", "Soft": 9, "Hard": 9} in host["Ulimits"]
    assert host["NetworkMode"] == "none"


def test_the_image_s_home_is_kept() -> None:
    assert made(128, Supplied("x:1", env=("HOME=/home/fn",)))["Env"] == [
        "NBFN_INSTANCE_ID=i",
        "FN_LISTENER=unix:/tmp/iofs/lsnr.sock",
    ]


def test_an_image_is_known_by_its_id_or_its_content(tmp_path: Path) -> None:
    image = Layout(tmp_path).get(make_image(tmp_path, host=""))
    diff_ids = [layer.diff_id for layer in image.layers]
    same = {"Id": "sha256:" + "1" * 64, "RootFS": {"Layers": diff_ids}, "Config": image.config["config"]}
    assert images.is_same({"Id": digest_of(image.config_bytes)}, image)
    assert images.is_same({"Id": digest_of(image.config_bytes)[7:]}, image)  # Podman's form
    assert images.is_same({"Id": image.digest}, image)  # where the daemon keeps manifests
    assert images.is_same(same, image)
    assert not images.is_same({**same, "RootFS": {"Layers": diff_ids[:1]}}, image)
    assert not images.is_same({**same, "Config": {**image.config["config"], "Env": ["A=1"]}}, image)


def test_the_systems_own_error_is_found_below_those_of_libraries() -> None:
    inner = urllib3.exceptions.ProtocolError("Connection aborted.", PermissionError(13, "Permission denied"))
    outer = requests.ConnectionError(inner)
    assert engine.reason(outer) == "Permission denied"
    assert isinstance(engine.root(outer), PermissionError)
    assert engine.reason(ValueError()) == "ValueError"


def test_nothing_is_used_by_a_process_that_is_not_there() -> None:
    assert usage.of(-1) == usage.of(2**30)
    assert usage.of(-1).memory_bytes == 0

"""An instance's certificate becomes a token, as Oracle's SDK does it, which the cloud accepts."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from nbfn.deploy.oci import OciSettings
from nbfn.deploy.oci.principals import InstancePrincipal
from nbfn.deploy.oci.settings import Account
from nbfn.deploy.oci.signing import Signature
from nbfn.errors import CredentialsError
from tests.oci.metadata import instance_metadata
from tests.oci.parts import SDKS
from tests.oci.people import COMPARTMENT, REGION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.server import Cloud


def test_an_instance_asks_as_itself(cloud: Cloud) -> None:
    with instance_metadata() as (base, asked):
        principal = InstancePrincipal({"OCI_METADATA_BASE_URL": f"{base}/opc/v2"}, auth_url=f"{base}/v1/x509")
        assert principal.region == REGION
        auth = Signature(principal)
        with httpx.Client(base_url=cloud.store.endpoint, auth=auth, trust_env=False) as client:
            for _ in range(2):
                path = f"/20260325/applications?compartmentId={COMPARTMENT}"
                assert client.get(path).raise_for_status().json() == []
    assert len(asked) == 1
    assert cloud.refused == []


def test_cloud_shell_asks_on_somebodys_behalf(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "obo").write_text("delegated\n")
    config = tmp_path / "config"
    config.write_text("[DEFAULT]\nauthentication_type=instance_obo_user\ndelegation_token_file=obo\n")
    with instance_metadata() as (base, _):
        environ = {"OCI_METADATA_BASE_URL": f"{base}/opc/v2"}
        principal = Account(OciSettings(COMPARTMENT, config_file=config, environ=environ)).credentials
        assert isinstance(principal, InstancePrincipal)
        principal._auth_url = f"{base}/v1/x509"  # its region's own is in the cloud
        with httpx.Client(
            base_url=cloud.store.endpoint, auth=Signature(principal), trust_env=False
        ) as client:
            client.get(f"/20260325/applications?compartmentId={COMPARTMENT}").raise_for_status()
    seen = cloud.requests[-1].headers
    assert seen["opc-obo-token"] == "delegated"
    assert "opc-obo-token" in seen["authorization"]
    assert "delegated" not in repr(principal.identity())


def test_a_token_that_ends_soon_is_not_used() -> None:
    with instance_metadata(lasts_s=30) as (base, asked):
        principal = InstancePrincipal(
            {"OCI_METADATA_BASE_URL": f"{base}/opc/v2"}, auth_url=f"{base}/v1/x509", clock=time.time
        )
        assert principal.identity().key_id != ""
        principal.identity()
        assert len(asked) == 2


def test_elsewhere_there_is_none() -> None:
    with instance_metadata() as (base, _):
        principal = InstancePrincipal({"OCI_METADATA_BASE_URL": f"{base}/elsewhere"}, auth_url="http://h/")
        with pytest.raises(CredentialsError, match="answers 404") as caught:
            principal.identity()
        assert "compute instances" in caught.value.hint
    gone = InstancePrincipal({"OCI_METADATA_BASE_URL": f"{base}/opc/v2"})
    with pytest.raises(CredentialsError, match="cannot be reached"):
        _ = gone.region


@pytest.mark.needs("oci-sdk")
def test_the_sdk_finds_the_same_services(cloud: Cloud) -> None:
    with instance_metadata() as (base, asked):
        done = subprocess.run(
            [SDKS["20260325"], "-B", "tests/oci/sdk_instance.py", base, cloud.store.endpoint, COMPARTMENT],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", REGION]
    assert len(asked) >= 1

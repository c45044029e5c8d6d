"""Who asks: profiles, variables, keys, tokens; and every way in which they can be unfit."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci import OciSettings
from nbfn.deploy.oci.credentials import resource_principal, session_token
from nbfn.deploy.oci.keys import NONE, fingerprint, parse_key
from nbfn.deploy.oci.profiles import Profile, read_profile
from nbfn.deploy.oci.regions import find_region, registry_region
from nbfn.deploy.oci.settings import Account
from nbfn.errors import BadInput, CredentialsError
from tests.oci.people import COMPARTMENT, TENANCY, USER, Person, a_key, pem_of, token, write_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud

KEY = a_key("person")


# -- profiles ----------------------------------------------------------------------------------------


def test_a_profile_has_what_the_default_has_and_variables_win(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[DEFAULT]\nuser=u\nregion=iad\nkey_file=~/k.pem\n[other]\nuser = o # no comment\npassphrase=p%x\n"
    )
    home = {"HOME": str(tmp_path)}
    assert read_profile(home, config_file=config) == {
        "user": "u", "region": "iad", "key_file": f"{tmp_path}/k.pem"
    }  # fmt: skip
    other = read_profile(home, config_file=config, profile="other", overrides={"region": "fra", "user": ""})
    assert other["user"] == "o # no comment"
    assert (other["pass_phrase"], other["region"]) == ("p%x", "fra")
    environ = {"OCI_CLI_CONFIG_FILE": str(config), "OCI_CLI_PROFILE": "other", "OCI_CLI_USER": "v", **home}
    assert read_profile(environ, profile="DEFAULT")["user"] == "v"


def test_home_is_where_the_file_is(tmp_path: Path) -> None:
    (tmp_path / ".oci").mkdir()
    (tmp_path / ".oci" / "config").write_text("[DEFAULT]\nkey_file=key.pem\n")
    found = read_profile({"HOME": str(tmp_path)})
    assert found == {"key_file": str(tmp_path / ".oci" / "key.pem")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user=u\n", "line 1,"),
        ("[DEFAULT]\nuser=u\nsecret words\n", "line 3,"),
        ("[a]\nuser=1\n[a]\nuser=2\n", "line 3,"),
        ("[a]\nuser=1\nuser=hush\n", "line 3,"),
        ("[DEFAULT]\n", "has no profile 'x'"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "config"
    config.write_text(text)
    with pytest.raises(CredentialsError, match=words) as caught:
        read_profile({}, config_file=config, profile="x")
    assert str(config) in str(caught.value)
    assert "secret words" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"[DEFAULT]\nuser=\xff\n")
    with pytest.raises(CredentialsError, match="cannot be read as a configuration"):
        read_profile({}, config_file=tmp_path / "config")


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="is not there") as caught:
        read_profile({}, config_file=tmp_path / "none")
    assert "oci setup config" in caught.value.hint
    enough = {"OCI_CLI_TENANCY": "t", "OCI_CLI_USER": "u", "OCI_CLI_FINGERPRINT": "f"}
    assert read_profile(enough, config_file=tmp_path / "none")["user"] == "u"


# -- keys --------------------------------------------------------------------------------------------


def account(config: Path, **settings: object) -> Account:
    facts: dict[str, object] = {
        "compartment_id": COMPARTMENT,
        "config_file": config,
        "environ": {},
        **settings,
    }
    return Account(OciSettings(**facts))  # type: ignore[arg-type]


def test_an_api_key_with_and_without_a_pass_phrase(tmp_path: Path) -> None:
    person = Person(KEY)
    for pass_phrase in ("", "hush"):
        config = person.write(tmp_path / (pass_phrase or "none"), pass_phrase)
        assert account(config).credentials.identity().key_id == person.key_id
    needless = person.write(tmp_path / "needless", pass_phrase="")
    assert account(needless, overrides={"pass_phrase": "x"}).credentials.identity().key_id == person.key_id


def test_a_key_in_a_variable(tmp_path: Path) -> None:
    environ = {
        "OCI_CLI_TENANCY": TENANCY, "OCI_CLI_USER": USER, "OCI_CLI_FINGERPRINT": fingerprint(KEY),
        "OCI_CLI_KEY_CONTENT": pem_of(KEY).decode(), "OCI_CLI_REGION": "fra", "HOME": str(tmp_path),
    }  # fmt: skip
    made = Account(OciSettings(COMPARTMENT, environ=environ))
    assert made.credentials.identity().key_id == Person(KEY).key_id
    assert made.endpoint == "https://functions.eu-frankfurt-1.oci.oraclecloud.com"


def test_keys_that_are_unfit(tmp_path: Path) -> None:
    config = Person(KEY).write(tmp_path, "hush")
    cases = [
        ({"fingerprint": "aa:bb"}, "the fingerprint is aa:bb, and that of the key in"),
        ({"pass_phrase": "wrong"}, "the pass phrase does not open"),
        ({"key_file": str(tmp_path / "nope")}, "nope cannot be read"),
        ({"key_file": str(config)}, "is open to others|cannot be read as a private key"),
    ]
    for overrides, words in cases:
        with pytest.raises(CredentialsError, match=words):
            _ = account(config, overrides=overrides).credentials
    config.write_text(config.read_text().replace("pass_phrase=hush", ""))
    with pytest.raises(CredentialsError, match="encrypted, and there is no pass phrase"):
        _ = account(config).credentials
    config.write_text("[DEFAULT]\nregion=iad\n")
    with pytest.raises(CredentialsError, match="has no tenancy, user, fingerprint, key_file"):
        _ = account(config).credentials


def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    config = Person(KEY).write(tmp_path)
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(CredentialsError, match=r"open to others \(mode 644\)") as caught:
        _ = account(config).credentials
    assert "chmod 600" in caught.value.hint
    quiet = {"OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING": "True"}
    assert account(config, environ=quiet).credentials.identity().key_id == Person(KEY).key_id


def test_keys_of_other_kinds() -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CredentialsError, match="is not an RSA key"):
        parse_key(pem, NONE, "x")
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(CredentialsError, match="x is a public key"):
        parse_key(public, NONE, "x")


# -- tokens ------------------------------------------------------------------------------------------


def test_a_sessions_token_is_accepted_and_read_again_once_refused(
    target_of: MakeTarget, cloud: Cloud, tmp_path: Path
) -> None:
    session = Person(a_key("session"))
    stale = token(a_key("stranger"), session.key.public_key())  # of an issuer that the server does not know
    (tmp_path / "token").write_text(stale)
    config = session.write(tmp_path / "s", security_token_file=str(tmp_path / "token"))
    target = target_of(config_file=config)
    target.account.credentials.identity()
    (tmp_path / "token").write_text(cloud.token(session) + "\n")
    target.create_application("app01")  # with a body, which is signed again with the new token
    assert (cloud.requests[0].body, len(cloud.refused)) == (cloud.requests[1].body, 1)


def test_a_token_that_has_ended(tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    write_key(KEY, key_file)
    (tmp_path / "token").write_text(token(a_key("issuer"), KEY.public_key(), lasts_s=-600))
    profile = Profile(security_token_file=str(tmp_path / "token"), key_file=str(key_file))
    with pytest.raises(CredentialsError, match=r"ended 10 minute\(s\) ago") as caught:
        session_token(profile, {}).identity()
    assert "oci session refresh" in caught.value.hint
    (tmp_path / "token").unlink()
    with pytest.raises(CredentialsError, match="token cannot be read") as caught:
        session_token(profile, {}).identity()
    assert "oci session authenticate" in caught.value.hint


def test_a_token_is_read_again_before_it_ends(tmp_path: Path) -> None:
    key_file = tmp_path / "key.pem"
    write_key(KEY, key_file)
    first, second = (token(a_key("issuer"), KEY.public_key(), lasts_s=s) for s in (900, 1800))
    (tmp_path / "token").write_text(first)
    profile = Profile(security_token_file=str(tmp_path / "token"), key_file=str(key_file))
    held = session_token(profile, {})
    assert held.identity().key_id == f"ST${first}"
    (tmp_path / "token").write_text(second)
    assert held.identity().key_id == f"ST${first}"
    held.clock = lambda: time.time() + 880
    assert held.identity().key_id == f"ST${second}"


@pytest.mark.parametrize("as_files", [True, False])
def test_a_functions_own_principal(
    as_files: bool, target_of: MakeTarget, cloud: Cloud, tmp_path: Path
) -> None:
    jwt, pem = cloud.token(Person(KEY), res_type="fnfunc"), pem_of(KEY).decode()
    if as_files:
        (tmp_path / "rpst").write_text(jwt)
        (tmp_path / "pem").write_text(pem)
        jwt, pem = str(tmp_path / "rpst"), str(tmp_path / "pem")
    environ = {
        "OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "OCI_RESOURCE_PRINCIPAL_REGION": "us-ashburn-1",
        "OCI_RESOURCE_PRINCIPAL_RPST": jwt, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": pem,
    }  # fmt: skip
    target = target_of(auth="resource_principal", environ=environ)
    assert target.list() == []
    assert target.place.region == "us-ashburn-1"
    with pytest.raises(CredentialsError, match="no resource principal"):
        resource_principal({})


def test_a_way_of_asking_that_is_not_known(tmp_path: Path) -> None:
    config = Person(KEY).write(tmp_path, authentication_type="oauth")
    with pytest.raises(CredentialsError, match="is 'oauth'"):
        _ = account(config).credentials


# -- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"compartment_id": "my-compartment"}, "not a compartment's id"),
        ({"api_version": "20200101"}, "use 20260325 or 20181201"),
        ({"shape": "ARM"}, "GENERIC_ARM"),
        ({"auth": "magic"}, "instance_principal"),
        ({"endpoint": "localhost:8080"}, "without a path"),
        ({"endpoint": "https://h/20181201"}, "without a path"),
        ({"subnet_ids": ("a", "b", "c", "d")}, "1 to 3"),
    ],
)
def test_settings_that_cannot_be(facts: dict[str, object], words: str) -> None:
    with pytest.raises(BadInput) as caught:
        OciSettings(**{"compartment_id": COMPARTMENT, "environ": {}, **facts})  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_regions(tmp_path: Path) -> None:
    assert find_region("PHX").id == find_region("us-phoenix-1").id == "us-phoenix-1"
    assert find_region("ltn").functions_url == "https://functions.uk-gov-london-1.oci.oraclegovcloud.uk"
    with pytest.raises(BadInput, match="not a region") as caught:
        find_region("us-ashbrun-1")
    assert "did you mean us-ashburn-1" in caught.value.hint
    told = {"realmKey": "oc99", "realmDomainComponent": "example.org", "regionKey": "new",
            "regionIdentifier": "xx-new-1"}  # fmt: skip
    assert find_region("new", json.dumps(told)).functions_url == "https://functions.xx-new-1.oci.example.org"
    with pytest.raises(BadInput, match="OCI_REGION_METADATA"):
        find_region("new", "{")
    assert registry_region("iad.ocir.io") == registry_region("ocir.us-ashburn-1.oci.oraclecloud.com")
    assert registry_region("docker.io") is None
    config = Person(KEY).write(tmp_path)
    config.write_text(config.read_text().replace("region=us-ashburn-1", ""))
    with pytest.raises(CredentialsError, match="no region is given"):
        _ = account(config).region
    assert account(config, endpoint="http://localhost:1").region is None

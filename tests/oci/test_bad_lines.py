"""What people get wrong, as they get it wrong: by a line, answered in words and with exit code 1."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

import nbfn
from nbfn import config
from nbfn import session as sessions
from nbfn.containerize.host import machine_platform, python
from tests.commands.fnline import fn
from tests.oci.home import SUBNETS, use_oracle
from tests.oci.people import SUBNET
from tests.projects.daemon import names_taken_off, shouting

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.server import Cloud


@pytest.fixture
def home(home: Path, cloud: Cloud) -> Path:
    use_oracle(cloud)
    return home


def refused(*words: str) -> str:
    done = fn(*words)
    assert (done.code, done.out.replace("Deploying function at: ./f\n", "")) == (1, "")
    assert "Traceback" not in done.err
    return done.err


def refused_anew(*words: str) -> str:
    """The same in another terminal: a session reads the contexts once."""
    sessions.current().close()
    sessions.use(sessions.Session(config.load()))
    return refused(*words)


def not_deployed(*words: str) -> str:
    """What is said of the folder ``f``, in another terminal."""
    sessions.current().close()
    sessions.use(sessions.Session(config.load()))
    done = fn("deploy", *words, "f")
    assert done.code == 1, done.out
    assert "Traceback" not in done.err
    return done.err


def test_a_key_file_that_others_may_read(home: Path) -> None:
    (home / ".oci" / "key.pem").chmod(0o640)
    said = refused("list", "apps")
    assert f"{home}/.oci/key.pem is open to others (mode 640)" in said
    assert "chmod 600" in said


def test_an_encrypted_key_without_a_pass_phrase(
    home: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = cloud.person()
    profile = person.write(home / ".oci", "hush")
    whole = profile.read_text()
    in_file = f"pass_phrase in [DEFAULT] of {profile}"
    profile.write_text(whole.replace("pass_phrase=hush", ""))
    said = refused("list", "apps")
    assert "is encrypted, and there is no pass phrase for it" in said
    assert "give it as OCI_CLI_PASSPHRASE, as oracle.pass-phrase of the context" in said
    assert "`nbfn update context oracle.pass-phrase" in said
    assert f"as {in_file}" in said
    nbfn.update_context("oracle.pass-phrase", "hush")
    assert fn("list", "apps").code == 0

    def is_wrong(origin: str) -> None:
        said = refused_anew("list", "apps")
        assert f"the pass phrase does not open the key in {home}/.oci/key.pem: it is {origin}" in said
        assert "correct it there" in said
        assert "amiss" not in said, "it may be near the right one"

    nbfn.update_context("oracle.pass-phrase", "amiss")
    is_wrong("oracle.pass-phrase of the context")
    monkeypatch.setenv("OCI_CLI_PASSPHRASE", "amiss")
    is_wrong("OCI_CLI_PASSPHRASE")
    monkeypatch.delenv("OCI_CLI_PASSPHRASE")
    nbfn.update_context("oracle.pass-phrase", None)
    profile.write_text(whole.replace("pass_phrase=hush", "pass_phrase=amiss"))
    is_wrong(in_file)


def test_a_key_file_that_is_not_there_or_no_key(home: Path) -> None:
    key = home / ".oci" / "key.pem"
    nbfn.update_context("oracle.key-file", str(home / "gone.pem"))
    assert f"{home / 'gone.pem'} cannot be read: No such file" in refused("list", "apps")
    nbfn.update_context("oracle.key-file", str(key))
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    key.write_bytes(private.public_key().public_bytes(serialization.Encoding.PEM, form))
    assert str(key) in refused_anew("list", "apps")
    key.write_text("nonsense")
    said = refused_anew("list", "apps")
    assert str(key) in said
    assert "nonsense" not in said


def test_a_fingerprint_of_another_key(home: Path) -> None:
    nbfn.update_context("oracle.fingerprint", ":".join(["aa"] * 16))
    assert "fingerprint" in refused("list", "apps")


def test_a_profile_that_lacks_a_line(home: Path) -> None:
    profile = home / ".oci" / "config"
    kept = [line for line in profile.read_text().splitlines() if not line.startswith("user=")]
    profile.write_text("\n".join(kept) + "\n")
    said = refused("list", "apps")
    assert f"the profile [DEFAULT] of {profile} has no user" in said
    assert "add user=… to it there" in said


def test_a_region_that_is_not_known(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = home / ".oci" / "config"
    profile.write_text(profile.read_text().replace("region=us-ashburn-1", "region=us-ashbrun-1"))
    fn("update", "context", "api-url", "--delete")
    said = refused("list", "apps")
    assert "'us-ashbrun-1' is not a region of OCI" in said
    assert f"(it is region of the profile, [DEFAULT] of {profile})" in said
    assert "did you mean us-ashburn-1" in said
    monkeypatch.setenv("OCI_CLI_REGION", "mars-1")
    said = refused_anew("list", "apps")
    assert "'mars-1' is not a region of OCI that is known here (it is OCI_CLI_REGION)" in said
    assert "`nbfn update context api-url https://functions.REGION" in said


def test_a_region_that_is_newer_than_the_table_needs_an_endpoint(home: Path) -> None:
    profile = home / ".oci" / "config"
    profile.write_text(profile.read_text().replace("region=us-ashburn-1", "region=xx-nowhere-1"))
    done = fn("list", "apps")  # by the context's api-url
    assert done.code == 0
    fn("update", "context", "api-url", "--delete")
    said = refused("list", "apps")
    assert "'xx-nowhere-1' is not a region of OCI" in said
    assert "did you mean" not in said


def test_a_profile_that_is_not_there(home: Path) -> None:
    nbfn.update_context("oracle.profile", "WORK")
    assert "has no profile 'WORK'" in refused("list", "apps")


def test_files_that_are_no_files(home: Path) -> None:
    path = home / ".fn" / "contexts" / "cloud.yaml"
    path.unlink()
    path.mkdir()
    said = refused_anew("list", "apps")
    assert str(path) in said
    path.rmdir()
    path.write_text("provider: oracle\nregistry: 'iad\n")
    assert f"{path}:3:1: " in refused_anew("list", "apps")
    path.unlink()
    assert "no context 'cloud'" in refused_anew("list", "apps")
    (home / ".fn" / "config.yaml").write_text("current-context: [a\n")
    assert "config.yaml:" in refused_anew("list", "apps")


def test_a_func_yaml_that_is_no_file(home: Path) -> None:
    fn("init", "--runtime", "python", "f")
    (home / "f" / "func.yaml").write_bytes(b"name: \xff\n")
    assert "func.yaml:1:7 is not UTF-8" in refused("deploy", "--app", "a", "f")
    shutil.rmtree(home / "f")
    (home / "f" / "func.yaml").mkdir(parents=True)
    assert "func.yaml" in refused("deploy", "--app", "a", "f")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "context", "a b"), "'a b' cannot name a context"),
        (("use", "context", "a b"), "'a b'"),
        (("create", "app", "a b"), "'a b' cannot name an application"),
        (("deploy", "--app", "a b", "f"), "'a b' cannot name an application"),
        (("create", "f", "a", "my func", "iad.ocir.io/ns/f:1"), "'my func' cannot name a function"),
    ],
)
def test_names_with_spaces(words: tuple[str, ...], said: str, home: Path, cloud: Cloud) -> None:
    fn("init", "--runtime", "python", "f")
    assert said in refused(*words)
    assert [seen for seen in cloud.requests if seen.method != "GET"] == []


def test_a_function_in_a_folder_with_a_space(home: Path) -> None:
    done = fn("init", "--runtime", "python", "my func")
    assert done.code == 1
    assert "'my func' cannot name a function" in done.err
    assert fn("init", "--runtime", "python", "--name", "f", "my func").code == 0
    assert "nbfn.local/notebook/f@" in fn("build", "my func").out


def test_an_application_for_other_processors(home: Path) -> None:
    """Refused before anything is built, where nbfn builds: nothing answers at this registry."""
    nbfn.update_context("registry", "127.0.0.1:1/ns")
    fn("init", "--runtime", "python", "f")
    here = machine_platform()["architecture"]
    other = "GENERIC_ARM" if here == "amd64" else "GENERIC_X86"
    for name, shape in (("app01", other), ("app02", "GENERIC_X86_ARM")):
        fn("create", "app", name, "--annotation", SUBNETS, "--shape", shape)
        said = not_deployed("--app", name)
        assert f"application '{name}' is {shape}, and the image is for {here} alone" in said
        assert "GENERIC_X86_ARM an index of both" in said
    assert not sessions.current().layout.refs()


@pytest.mark.needs("docker", "toolchains")
def test_an_application_for_other_processors_than_what_docker_built(home: Path) -> None:
    nbfn.update_context("registry", "127.0.0.1:1/ns")
    fn("create", "app", "app01", "--annotation", SUBNETS, "--shape", "GENERIC_X86_ARM")
    shouting(home / "f")
    with names_taken_off("shout"):
        done = fn("deploy", "--app", "app01", "f")
    assert done.code == 1
    assert "application 'app01' is GENERIC_X86_ARM, and the image is for" in done.err
    assert "cannot be reached" not in done.err, "it was not pushed"


def test_a_base_that_cannot_be_had_and_how_to_have_another(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbfn.update_context("registry", "127.0.0.1:1/ns")
    nbfn.update_context("oracle.subnet-ids", SUBNET)
    fn("init", "--runtime", "python", "f")
    monkeypatch.setenv("NBFN_BASE", "127.0.0.1:1/fn/python:{python}")
    said = not_deployed("--create-app", "--app", "app01")
    image = f"127.0.0.1:1/fn/python:{python()}"
    assert f"base 'fn', the default of containers, is {image}, which cannot be used: the registry" in said
    assert "NBFN_BASE=IMAGE for all, base= or --base for one function" in said
    said = not_deployed("--app", "app01", "--base", "/none.tar")
    assert "'/none.tar' is not there" in said
    assert "NBFN_BASE" not in said


def test_names_with_blanks(home: Path) -> None:
    assert "subnet 'a b' is not a subnet's id" in refused(
        "create", "app", "app01", "--annotation", 'oracle.com/oci/subnetIds=["a b"]'
    )
    assert fn("create", "app", "app01", "--annotation", SUBNETS).code == 0
    said = refused("create", "function", "app01", "f", "iad.ocir.io/n s/f:1")
    assert "'iad.ocir.io/n s/f:1' cannot name an image" in said
    assert "without blanks" in said
    assert fn("create", "function", "app01", "f", "iad.ocir.io/ns/f:1").code == 0
    assert "cannot name an image" in refused("update", "function", "app01", "f", "--image", "a b:1")

"""Names, logins, challenges and refusals, without a registry."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import config
from nbfn.containerize.registry import Access, Credentials, Reference
from nbfn.containerize.registry.auth import challenges
from nbfn.containerize.registry.credentials import find
from nbfn.containerize.registry.explain import login_hint, refused
from nbfn.containerize.registry.platforms import choose
from nbfn.errors import BadInput, ImageError, LoginFailed, NbfnError

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "api"),
    [
        ("python", "docker.io/library/python:latest", "registry-1.docker.io"),
        ("fnproject/python:3.11", "docker.io/fnproject/python:3.11", "registry-1.docker.io"),
        ("docker://localhost/x", "localhost/x:latest", "localhost"),
        ("localhost:5000/a/b:1.0", "localhost:5000/a/b:1.0", "localhost:5000"),
        ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000"),
        (f"fra.ocir.io/ns/app/f@{DIGEST}", f"fra.ocir.io/ns/app/f@{DIGEST}", "fra.ocir.io"),
        (f"r.example/x:2@{DIGEST}", f"r.example/x:2@{DIGEST}", "r.example"),
    ],
)
def test_names(text: str, full: str, api: str) -> None:
    ref = Reference.parse(text)
    assert str(ref) == full
    assert ref.api_host == api
    assert Reference.parse(full) == ref


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no repository"),
        ("localhost:5000/", "no repository"),
        ("Python", "capital"),
        ("a/b:", "tag"),
        ("a/b:-x", "tag"),
        ("a//b", "not a repository"),
        ("a b.c/d", "not a host"),
        ("a@sha256:12", "digest"),
        ("a@", "digest"),
    ],
)
def test_what_is_no_name(text: str, said: str) -> None:
    if text == "a@":
        assert Reference.parse(text).tag == "latest"  # nothing after it: nothing meant
        return
    with pytest.raises(BadInput, match=said):
        Reference.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_an_error(text: str) -> None:
    try:
        ref = Reference.parse(text)
    except BadInput:
        return
    assert Reference.parse(str(ref)) == ref


def test_local_registries_may_speak_plainly() -> None:
    assert Access().schemes(Reference.parse("localhost:5000/x")) == ("http", "https")
    assert Access().schemes(Reference.parse("127.0.0.1/x")) == ("http", "https")
    assert Access().schemes(Reference.parse("127.example.org/x")) == ("https",)
    assert Access(http=frozenset({"r.lan:80"})).schemes(Reference.parse("r.lan:80/x")) == ("http",)


def test_challenges() -> None:
    header = r'Basic realm="a \"b\"", Bearer realm="https://x/token",service="s, t",scope="repository:a:pull"'
    bearer, basic = challenges(header)
    assert bearer.scheme == "bearer"
    assert bearer.parameters == {"realm": "https://x/token", "service": "s, t", "scope": "repository:a:pull"}
    assert (basic.scheme, basic.parameters) == ("basic", {"realm": 'a "b"'})
    assert challenges("Negotiate") == []
    assert challenges("") == []


class TestLogins:
    def test_the_file_s_own(self, tmp_path: Path) -> None:
        both = base64.b64encode(b"ana:a:b").decode()
        auths = {
            "r.lan:5000": {"auth": both},
            "https://old.lan/v1/": {"username": "u", "password": "p"},
            "token.lan": {"auth": both, "identitytoken": "t"},
            "https://index.docker.io/v1/": {"auth": both},
            "damaged.lan": {"auth": "???"},
        }
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        found = find("r.lan:5000", tmp_path / "config.json")
        assert found is not None
        assert (found.user, found.password) == ("ana", "a:b")
        assert "a:b" not in repr(found)
        assert find("r.lan", tmp_path / "config.json") is None
        old, token = find("old.lan", tmp_path / "config.json"), find("token.lan", tmp_path / "config.json")
        assert old is not None
        assert (old.user, old.password) == ("u", "p")
        assert token is not None
        assert token.identity_token == "t"
        assert find("docker.io", tmp_path / "config.json") == found
        with pytest.raises(LoginFailed, match=r"damaged\.lan"):
            find("damaged.lan", tmp_path / "config.json")
        assert find("r.lan", tmp_path / "nowhere") is None
        (tmp_path / "config.json").write_text("{")
        with pytest.raises(LoginFailed, match=r"config\.json"):
            find("r.lan", tmp_path / "config.json")

    def test_podman_s_where_docker_has_none(self, tmp_path: Path) -> None:
        def file(name: str, **auths: str) -> Path:
            encoded = {
                host: {"auth": base64.b64encode(f"{user}:x".encode()).decode()}
                for host, user in auths.items()
            }
            path = tmp_path / name
            path.write_text(json.dumps({"auths": encoded}))
            return path

        file("config.json", **{"r.lan": "docker"})
        podman = file(
            "auth.json",
            **{
                "r.lan": "podman",
                "p.lan": "podman",
                "p.lan/team": "team",
                "p.lan/team/x": "x",
                "docker.io": "hub",
            },
        )
        known = Access(tmp_path, registry_auth=(podman,))
        users = {}
        for name in ("r.lan/a", "p.lan/a", "p.lan/team/a", "p.lan/team/x", "p.lan/teams", "greet", "q.lan/a"):
            found = known.login(Reference.parse(name))
            users[name] = found and found.user
        assert list(users.values()) == ["docker", "podman", "team", "x", "podman", "hub", None]
        assert Access(tmp_path, registry_auth=(tmp_path / "none",)).login(Reference.parse("p.lan/a")) is None

    def test_where_podman_keeps_them(self, tmp_path: Path) -> None:
        env = {"XDG_RUNTIME_DIR": str(tmp_path / "r"), "XDG_CONFIG_HOME": str(tmp_path / "c")}
        found = tuple(tmp_path / folder / "containers/auth.json" for folder in ("r", "c"))
        assert config.load(env).registry_auth == found
        assert config.load({**env, "REGISTRY_AUTH_FILE": "/x"}).registry_auth == (Path("/x"),)

    def test_a_helper_s(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        helper = tmp_path / "docker-credential-nbfntest"
        helper.write_text(
            "#!/bin/sh\nread host\ncase $host in\n"
            'a.lan) echo \'{"Username": "ana", "Secret": "s1"}\';;\n'
            'b.lan) echo \'{"Username": "<token>", "Secret": "s2"}\';;\n'
            "c.lan) echo credentials not found in native keychain; exit 1;;\n"
            "d.lan) echo the keychain is locked; exit 1;;\n*) echo s3;;\nesac\n"
        )
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        path = tmp_path / "config.json"
        path.write_text(json.dumps({"credsStore": "nbfntest", "credHelpers": {"z.lan": "nowhere"}}))
        assert find("a.lan", path) == Credentials("ana", "s1", "", "docker-credential-nbfntest")
        assert find("b.lan", path) == Credentials("", "", "s2", "docker-credential-nbfntest")
        assert find("c.lan", path) is None
        with pytest.raises(LoginFailed, match="the keychain is locked"):
            find("d.lan", path)
        with pytest.raises(LoginFailed, match="no Username") as caught:
            find("e.lan", path)
        assert "s3" not in str(caught.value)
        with pytest.raises(LoginFailed, match="docker-credential-nowhere"):
            find("z.lan", path)


OCIR = Reference.parse("fra.ocir.io/mytenancy/apps/greet:1")


@pytest.mark.parametrize(
    ("login", "status", "said"),
    [
        (None, 401, "as mytenancy/USER, or mytenancy/DOMAIN/USER"),
        (Credentials("ana", "x"), 401, "'ana' lacks the tenancy's namespace"),
        (
            Credentials("other/ana", "x"),
            401,
            "of the namespace 'other', and the repository is of 'mytenancy'",
        ),
        (Credentials("mytenancy/ana", "ocid1.user.oc1..aaa"), 401, "must be an auth token"),
        (Credentials("mytenancy/idcs/ana", "x", "", "~/.docker"), 401, "the password is wrong"),
        (Credentials("mytenancy/idcs/ana", "x"), 403, "a policy is missing"),
    ],
)
def test_the_wrong_part_of_a_login_to_oracle_s_registry(
    login: Credentials | None, status: int, said: str
) -> None:
    hint = login_hint(OCIR, status, login)
    assert said in hint
    assert "ocid1" not in hint


def test_oracle_s_hosts() -> None:
    assert OCIR.is_ocir
    assert Reference.parse("ocir.eu-frankfurt-1.oci.oraclecloud.com/ns/x").is_ocir
    assert not Reference.parse("fra.ocir.io.evil.com/ns/x").is_ocir
    assert "NAMESPACE/greet" in login_hint(Reference.parse("fra.ocir.io/greet"), 401, Credentials("a/b", "x"))


@pytest.mark.parametrize("body", [None, [], {}, {"errors": ["x"]}, {"errors": [{}]}, {"details": "no"}])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
def test_every_refusal_says_what_to_do(status: int, body: object) -> None:
    for doing in ("pulling", "pushing"):
        error = refused(OCIR, doing, status, body, None)
        assert error.status == status
        assert error.hint
        assert "fra.ocir.io" in error.message


def entry(**platform: str) -> dict[str, object]:
    kind = "application/vnd.oci.image.manifest.v1+json"
    found = {"mediaType": kind, "digest": "sha256:" + json.dumps(platform).encode().hex()[:64].ljust(64, "0")}
    return {**found, "size": 1, "platform": platform}


def test_the_variant_of_a_platform_may_be_left_out() -> None:
    arm = entry(os="linux", architecture="arm64")
    odd = entry(os="unknown", architecture="unknown")
    index = {"manifests": [entry(os="linux", architecture="amd64"), arm, odd]}
    chosen = choose(index, {"os": "linux", "architecture": "arm64", "variant": "v8"}, "it")
    assert chosen.digest == arm["digest"]
    with pytest.raises(ImageError, match=r"it is for linux/amd64, linux/arm64\n"):
        choose(index, {"os": "linux", "architecture": "arm", "variant": "v7"}, "it")
    with pytest.raises(ImageError, match="damaged"):
        choose({"manifests": 3}, {}, "it")


@given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda x: st.lists(x, max_size=3)))
def test_a_list_that_is_none_is_an_error_of_ours(value: object) -> None:
    with pytest.raises(NbfnError):
        choose({"manifests": value}, {"os": "linux"}, "it")

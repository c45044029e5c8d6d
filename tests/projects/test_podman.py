"""Folders that Podman builds, where the Fn CLI's files ask for it: a real one, with a store of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import config
from nbfn.containerize import Layout, validate
from nbfn.containerize.registry import Access, Reference
from nbfn.errors import BadInput
from nbfn.projects import build_by_docker, find_func_file
from tests.commands.fnline import at_home, fn
from tests.projects.daemon import DAEMON, shouting
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

_REAL = pytest.mark.needs("podman", "docker", "toolchains", "root")


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    with at_home(tmp_path, state, monkeypatch) as found:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(state / "run"))
        yield found


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """What has Podman keep to a store of its own, which holds the base of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-p-"))
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/root"\n'
    )
    (folder / "containers.conf").write_text(
        # crun wants one kind of cgroups; limits above its own are not for everybody to set.
        '[engine]\nruntime = "runc"\n'
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
    )
    told = {
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "CONTAINERS_CONF": str(folder / "containers.conf"),
    }
    subprocess.run(["docker", "save", "-o", folder / "base.tar", "nbfn-test/base"], check=True)
    subprocess.run(
        ["podman", "load", "-q", "-i", folder / "base.tar"],
        check=True,
        capture_output=True,
        env={**os.environ, **told},
    )
    yield told
    subprocess.run(
        ["podman", "rmi", "--all", "--force"], check=True, capture_output=True, env={**os.environ, **told}
    )
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def podman(home: Path, store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in store.items():
        monkeypatch.setenv(name, value)


def config_says(home: Path, engine: str) -> None:
    (home / ".fn").mkdir(exist_ok=True)
    (home / ".fn" / "config.yaml").write_text(f"cli-version: 0.6.63\ncontainer-enginetype: {engine}\n")


def images_of(tool: str) -> str:
    return subprocess.run([tool, "images"], check=True, capture_output=True, text=True).stdout


@_REAL
@pytest.mark.usefixtures("podman")
def test_the_program_builds_where_no_socket_answers(home: Path) -> None:
    config_says(home, "podman")
    shouting(home / "hail", "RUN echo by podman")
    done = fn("deploy", "--app", "a", "--create-app", "--verbose", "hail")
    assert done.code == 0, done.err
    assert "Step 2/4: RUN echo by podman\n    by podman\n" in done.out
    assert fn("invoke", "a", "shout", body="loud").out == "LOUD"
    (listed,) = nbfn.functions("a")
    assert listed.image.startswith("nbfn.local/a/shout:0.0.2@sha256:")
    assert "library/shout" in images_of("podman")
    assert not subprocess.run(
        ["pgrep", "-f", f"podman system service .*{tempfile.gettempdir()}/nbfn-.*/podman.sock"],
        check=False,
        capture_output=True,
    ).stdout, "it serves no longer than a build takes"
    (home / "hail" / "Dockerfile").write_text("FROM nbfn-test/base\nRUN exit 7\n")
    done = fn("deploy", "--app", "a", "hail")
    assert done.code == 1
    assert "step 2/2 `RUN exit 7` ended with exit code 7" in done.err


@_REAL
@pytest.mark.usefixtures("podman")
def test_its_socket_is_used_where_it_answers(home: Path, tmp_path: Path, state: Path) -> None:
    path = state / "run" / "podman" / "podman.sock"
    path.parent.mkdir(parents=True)
    config_says(home, "docker")
    (home / ".fn" / "contexts").mkdir()
    (home / ".fn" / "contexts" / "own.yaml").write_text(
        "provider: default\napi-url: http://localhost:8080\ncontainer-enginetype: podman\n"
    )
    function = shouting(home / "s")
    service = subprocess.Popen(["podman", "system", "service", "--time", "0", f"unix://{path}"])
    try:
        until(path.exists)
        function = find_func_file(function)
        os.environ["PATH"], former = str(tmp_path), os.environ["PATH"]  # without the program
        try:
            image = build_by_docker(function, Layout(tmp_path / "images"), engine="podman")
            assert validate(image) == []
            assert fn("--context", "own", "build", "s").code == 0
        finally:
            os.environ["PATH"] = former
        assert "Podman answers" in fn("--context", "own", "doctor").out
    finally:
        service.terminate()
        service.wait()


@_REAL
@pytest.mark.usefixtures("podman")
def test_podman_runs_an_init_image(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FN_CONTAINER_ENGINETYPE", "podman")
    (home / "image").mkdir()
    (home / "image" / "func.init.yaml").write_text("runtime: go\n")
    (home / "image" / "Dockerfile").write_text(
        'FROM nbfn-test/base\nCOPY func.init.yaml /code/\nCMD ["tar", "c", "-C", "/code", "func.init.yaml"]\n'
    )
    subprocess.run(["podman", "build", "-q", "-t", "localhost/i:1", home / "image"], check=True)
    done = fn("init", "--init-image", "localhost/i:1", "made")
    assert done.code == 0, done.err
    assert "runtime: go" in (home / "made" / "func.yaml").read_text()


def test_a_podman_that_is_not_there(home: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_says(home, "podman")
    shouting(home / "s")
    monkeypatch.setenv("PATH", str(home))
    done = fn("build", "s")
    assert done.code == 1
    assert "the build of 'shout': no Podman daemon answers: looked for /run/podman/podman.sock (" in done.err
    assert f"{state}/run/podman/podman.sock (not there), and for the program podman on the PATH" in done.err
    assert "`systemctl start podman.socket`" in done.err
    assert "`podman system service" in done.err
    told = fn("doctor").out
    assert "no Podman: looked for" in told
    assert "podman.socket" in told


def test_a_podman_that_cannot_serve_is_quoted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_says(home, "podman")
    (home / "podman").write_text("#!/bin/sh\necho no user namespaces here >&2\nexit 125\n")
    (home / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{home}:{os.environ['PATH']}")
    shouting(home / "s")
    done = fn("build", "s")
    assert done.code == 1
    assert f"`{home}/podman system service` ended: no user namespaces here" in done.err


def test_an_engine_that_there_is_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shouting(home / "s")
    config_says(home, "rkt")
    done = fn("build", "s")
    assert done.code == 1
    assert f"{home}/.fn/config.yaml:2:23: container-enginetype is 'rkt'" in done.err
    assert "use one of: docker, podman" in done.err
    assert "no container engine: " in fn("doctor").out
    assert fn("list", "contexts").code == 0, "what builds nothing need not know"
    monkeypatch.setenv("FN_CONTAINER_ENGINETYPE", "crio")
    done = fn("build", "s")
    assert "FN_CONTAINER_ENGINETYPE is 'crio'" in done.err


def test_docker_host_says_where_whoever_is_asked_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_says(home, "podman")
    shouting(home / "s")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home}/none.sock")
    done = fn("build", "s")
    assert f"no Podman daemon answers: unix://{home}/none.sock" in done.err
    assert "correct DOCKER_HOST" in done.err


@_REAL
def test_docker_is_asked_unless_the_files_say_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(DAEMON).is_socket()
    config_says(home, "podman")
    shouting(home / "s")
    monkeypatch.setenv("FN_CONTAINER_ENGINETYPE", "docker")  # outweighs the file
    monkeypatch.setenv("PATH", str(home))
    function = find_func_file(home / "s")
    assert validate(build_by_docker(function, Layout(home / "images"))) == []


def test_podmans_logins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(path: Path, **logins: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        auths = {
            key: {"auth": base64.b64encode(f"{user}:pw".encode()).decode()} for key, user in logins.items()
        }
        path.write_text(json.dumps({"auths": auths}))

    def user(name: str) -> str:
        login = Access.of(config.load()).login(Reference.parse(name))
        return login.user if login else ""

    kept(home / ".docker" / "config.json", **{"r.lan": "docker", "d.lan": "docker"})
    kept(home / ".config" / "containers" / "auth.json", **{"r.lan": "later", "k.lan": "kept"})
    run = Path(os.environ["XDG_RUNTIME_DIR"])
    kept(run / "containers" / "auth.json", **{"r.lan": "podman", "r.lan/team/x": "team"})
    assert user("r.lan/a") == "docker"
    config_says(home, "podman")
    assert user("r.lan/a") == "podman"
    assert user("r.lan/team/x:1") == "team"
    assert user("k.lan/a") == "kept"
    assert user("d.lan/a") == "docker", "Podman too takes Docker's where it has none"
    kept(home / "other.json", **{"r.lan": "told"})
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "other.json"))
    assert user("r.lan/a") == "told"
    monkeypatch.setenv("FN_CONTAINER_ENGINETYPE", "rkt")
    with pytest.raises(BadInput, match="FN_CONTAINER_ENGINETYPE is 'rkt'"):
        user("r.lan/a")

"""Folders that Docker builds, with a real daemon, run by the executor."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

import nbfn
from nbfn import session as sessions
from nbfn.containerize import Layout, dockerbuild, validate
from nbfn.errors import BuildFailed, ImageError
from nbfn.projects import build_by_docker, find_func_file
from tests.commands.fnline import at_home, fn
from tests.commands.stock import TOKEN, stock
from tests.containerize.registries import running
from tests.projects.daemon import dying_daemon, local_images, names_taken_off, shouting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbfn.containerize.buildlog import Line

pytestmark = [pytest.mark.needs("docker", "toolchains", "root")]


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _no_name_stays_in_the_daemon() -> Iterator[None]:
    with names_taken_off("hello", "shout"):
        yield


def test_a_folder_with_a_dockerfile(home: Path) -> None:
    shouting(home / "shout", "RUN echo only-when-verbose")
    (home / "shout" / ".dockerignore").write_text("*.yaml\n")
    done = fn("deploy", "--app", "a", "--create-app", "shout")
    assert done.code == 0, done.err
    assert "Step 2/4: RUN echo only-when-verbose\n" in done.out
    assert "    only-when-verbose\n" not in done.out
    assert "version: 0.0.2" in (home / "shout" / "func.yaml").read_text()
    assert fn("invoke", "a", "shout", body="loud").out == "LOUD"
    (listed,) = nbfn.functions("a")
    assert listed.image.startswith("nbfn.local/a/shout:0.0.2@sha256:")
    image = sessions.current().layout.get(listed.image)
    assert validate(image) == []
    # The same again changes nothing, and fetches nothing from Docker.
    assert not nbfn.deploy_project("shout", "a", bump=False).changed
    done = fn("build", "--verbose", "--no-cache", "shout")
    assert "    only-when-verbose\n" in done.out
    assert f"@sha256:{listed.image.rpartition(':')[2][:12]}" not in done.out, (
        "without its cache it is made anew"
    )


def test_go(home: Path) -> None:
    fn("init", "--runtime", "go", "hello")
    local_images(home / "hello", "go-dev", "base")
    done = fn("deploy", "--app", "a", "--create-app", "hello")
    assert done.code == 0, done.err
    assert "RUN go build -o func" in done.out
    assert json.loads(fn("invoke", "a", "hello", body='{"name": "Ana"}').out) == {"message": "Hello Ana"}
    (home / "hello" / "func.go").write_text("package main\n\nfunc main() { nowhere() }\n")
    done = fn("deploy", "--app", "a", "hello")
    assert done.code == 1
    assert "step 7/11 `RUN go build -o func` ended with exit code 1" in done.err
    assert "./func.go:3:15: undefined: nowhere" in done.err
    assert "version: 0.0.2" in (home / "hello" / "func.yaml").read_text()
    assert json.loads(fn("invoke", "a", "hello").out) == {"message": "Hello World"}


def test_node(home: Path) -> None:
    fn("init", "--runtime", "node", "hello")
    local_images(home / "hello", "node", "node")
    done = fn("deploy", "--app", "a", "--create-app", "hello")
    assert done.code == 0, done.err
    assert json.loads(fn("invoke", "a", "hello", body='{"name": "Bo"}').out) == {"message": "Hello Bo"}


def test_java(home: Path) -> None:
    """What ``init`` writes: tested by Maven as it is built; what the compiler says is shown."""
    fn("init", "--runtime", "java17", "hello")
    local_images(home / "hello", "java-dev", "java")
    done = fn("deploy", "--app", "a", "--create-app", "--verbose", "--no-cache", "hello")
    assert done.code == 0, done.err
    assert "Tests run: 1, Failures: 0" in done.out
    assert json.loads(fn("invoke", "a", "hello", body='{"name": "Ana"}').out) == {"message": "Hello Ana"}
    assert json.loads(fn("invoke", "a", "hello", body="{}").out) == {"message": "Hello World"}
    (home / "hello/src/main/java/com/example/fn/HelloFunction.java").write_text("class Nothing { nowhere }\n")
    done = fn("deploy", "--app", "a", "hello")
    assert done.code == 1
    assert '`RUN ["mvn", "package"]` ended with exit code 1' in done.err
    assert "HelloFunction.java:[1,24] <identifier> expected" in done.err
    assert json.loads(fn("invoke", "a", "hello", body="{}").out) == {"message": "Hello World"}


def test_python_by_docker_if_asked(home: Path) -> None:
    shouting(home / "shout")
    (home / "shout" / "Dockerfile").unlink()
    (home / "shout" / "requirements.txt").write_text("six\n")
    (home / "shout" / "func.yaml").write_text(
        "schema_version: 20180708\nname: shout\nruntime: python\nentrypoint: python3 shout.py\n"
    )
    local_images(home / "shout", "python-dev", "base")
    done = fn("deploy", "--app", "a", "--create-app", "--docker", "shout")
    assert done.code == 0, done.err
    assert "ADD requirements.txt" in done.out
    done = fn("invoke", "a", "shout", body="six")
    assert done.out == "SIX", done.err
    (listed,) = nbfn.functions("a")
    assert "six" in str(nbfn.containerize.describe(sessions.current().layout.get(listed.image)))


def test_commands_are_run_before(home: Path) -> None:
    shouting(home / "shout", "COPY made.txt /")
    text = (home / "shout" / "func.yaml").read_text()
    (home / "shout" / "func.yaml").write_text(
        f"{text}build:\n- echo made >made.txt\n- echo no luck; exit 3\n"
    )
    done = fn("build", "shout")
    assert done.code == 1
    assert "Command 2/2: echo no luck; exit 3" in done.out
    assert "command 2/2 `echo no luck; exit 3` ended with exit code 3\n    no luck\n" in done.err
    assert "func.yaml:7:3" in done.err
    (home / "shout" / "func.yaml").write_text(f"{text}build:\n- echo made >made.txt\n")
    assert fn("build", "shout").code == 0


def test_it_goes_to_a_registry_and_from_there_to_docker(home: Path, tmp_path: Path) -> None:
    shouting(home / "shout")
    assert fn("build", "shout").code == 0
    with running(tmp_path / "registry") as registry:
        done = fn("--registry", f"{registry.host}/team", "push", "-v")
        assert "func.yaml" in done.err
        (home / "func.yaml").write_text((home / "shout" / "func.yaml").read_text())
        done = fn("push", "--registry", f"{registry.host}/team")
        assert done.code == 0, done.err
        pushed = done.out.split()[-1]
        assert pushed.startswith(f"{registry.host}/team/shout:0.0.1@sha256:")
        name = pushed.replace(":0.0.1", "")
        subprocess.run(["docker", "pull", "-q", name], check=True, capture_output=True)
        shown = subprocess.run(
            ["docker", "image", "inspect", "-f", "{{.RepoDigests}}", name], check=True, capture_output=True
        )
        assert name.encode() in shown.stdout
        subprocess.run(["docker", "rmi", name], check=True, capture_output=True)


def test_a_server_that_has_this_docker_needs_no_registry(home: Path) -> None:
    shouting(home / "shout")
    with stock() as server:
        for line in (
            ("create", "context", "there", "--api-url", server.url, "--registry", "localhost:1/team"),
            ("use", "context", "there"),
            ("update", "context", "token", TOKEN),
            ("create", "app", "a"),
            ("deploy", "--app", "a", "--local", "shout"),
        ):
            done = fn(*line)
            assert done.code == 0, done.err
        (held,) = server.objects["fns"].values()
        assert held["image"] == "localhost:1/team/shout:0.0.2"
        subprocess.run(["docker", "image", "inspect", held["image"]], check=True, capture_output=True)
        subprocess.run(["docker", "rmi", held["image"]], check=True, capture_output=True)
        fn("init", "--runtime", "python", "plain")
        done = fn("deploy", "--app", "a", "--local", "plain")
        assert (done.code, "can read it from a registry alone" in done.err) == (1, True)
        sessions.current().close()


def test_a_docker_that_is_not_there(tmp_path: Path) -> None:
    function = find_func_file(shouting(tmp_path / "f"))
    with pytest.raises(ImageError, match="the build of 'shout': no Docker daemon answers") as caught:
        build_by_docker(function, Layout(tmp_path / "images"), url=f"unix://{tmp_path}/none.sock")
    assert "start Docker" in str(caught.value)
    assert not (tmp_path / "images").exists()


def test_a_docker_that_dies_during_a_build(tmp_path: Path, state: Path) -> None:
    function = find_func_file(shouting(tmp_path / "f", "RUN echo dies here", "RUN echo later"))
    layout = Layout(tmp_path / "images")
    with (
        dying_daemon(state / "d.sock", b"dies here\\n") as url,
        pytest.raises(ImageError, match="daemon went away") as caught,
    ):
        build_by_docker(function, layout, cache=False, url=url)
    assert not isinstance(caught.value, BuildFailed)
    assert not (tmp_path / "images").exists()
    image = build_by_docker(function, layout)
    assert validate(image) == []


def test_a_docker_that_dies_while_it_is_taken_from_it(tmp_path: Path, state: Path) -> None:
    function = find_func_file(shouting(tmp_path / "f"))
    layout = Layout(tmp_path / "images")
    with dying_daemon(state / "d.sock", b"shout.py") as url, pytest.raises(ImageError, match="daemon"):
        build_by_docker(function, layout, url=url)
    assert layout.refs() == {}
    assert validate(build_by_docker(function, layout)) == []


def test_an_interrupt_ends_the_build_in_docker(tmp_path: Path) -> None:
    mark = f"sleep 600 # {tmp_path}"
    function = find_func_file(shouting(tmp_path / "f", f"RUN echo begun; {mark}"))

    def containers(*options: str) -> list[str]:
        shown = subprocess.run(
            ["docker", "ps", *options, "--no-trunc", "--format", "{{.ID}} {{.Command}}"],
            check=True,
            capture_output=True,
            text=True,
        )
        return [line.split()[0] for line in shown.stdout.splitlines() if str(tmp_path) in line]

    found: list[str] = []

    def interrupt(line: Line) -> None:
        if line.text == "begun":
            found.extend(containers("--all"))  # its output may be here before it counts as running
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_by_docker(function, Layout(tmp_path / "images"), on_line=interrupt)
    (container,) = found
    # `docker wait` returns when it has ended, and fails if it is gone already.
    subprocess.run(["docker", "wait", container], check=False, capture_output=True, timeout=60)
    assert containers() == []
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ("FRM nbfn-test/base\n", "unknown instruction: FRM"),
        ("FROM nbfn-test/nowhere:0\n", "the image of step 1/1 `FROM nbfn-test/nowhere:0` cannot be had"),
        ("FROM nbfn-test/base\nCOPY missing /\n", "step 2/2 `COPY missing /`: COPY failed"),
        ("FROM nbfn-test/base\nENTRYPOINT []\nCMD []\n", "says nothing to run"),
        ('FROM nbfn-test/base\nVOLUME /data\nCMD ["x"]\n', "has a volume (/data), and Fn runs none"),
    ],
)
def test_a_dockerfile_that_is_wrong(tmp_path: Path, dockerfile: str, said: str) -> None:
    place = shouting(tmp_path / "f")
    (place / "Dockerfile").write_text(dockerfile)
    with pytest.raises(ImageError) as caught:
        build_by_docker(find_func_file(place), Layout(tmp_path / "images"))
    assert said in str(caught.value)


def test_what_a_generated_dockerfile_sees(tmp_path: Path) -> None:
    """Itself it does not see, so the build's cache holds; the folder's .dockerignore counts."""
    (tmp_path / ".dockerignore").write_text("# not these\nsecret.txt\n")
    for name in ("secret.txt", "shown.txt"):
        (tmp_path / name).write_text(name)
    lines: list[str] = []
    wanted = dockerbuild.Wanted(
        "f", tmp_path, 'FROM nbfn-test/base\nCOPY . /seen/\nRUN ls -A /seen\nCMD ["x"]\n', cache=False
    )
    dockerbuild.build(wanted, Layout(tmp_path / "images"), on_line=lambda line: lines.append(line.text))
    assert lines[lines.index("Step 3/4: RUN ls -A /seen") + 1 :][:1] == ["shown.txt"]


def test_one_build_does_not_hold_up_another_thread(tmp_path: Path) -> None:
    function = find_func_file(shouting(tmp_path / "f"))
    images = []
    threads = [
        threading.Thread(target=lambda: images.append(build_by_docker(function, Layout(tmp_path / "images"))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 2  # of one digest only where the daemon's cache had it before

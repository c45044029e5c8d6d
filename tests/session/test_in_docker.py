"""Cells whose functions run as containers: the whole way, with an executor that has Docker's driver."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import docker
import pytest

import nbfn
from nbfn import config
from nbfn import session as sessions
from nbfn.containerize.host import HOST_LABEL
from nbfn.errors import ExecutorLost, RegistryError, RequirementError
from nbfn.function import Function, function
from nbfn.session import Session
from tests.containerize.registries import running as running_registry
from tests.containerize.test_wheels import make_wheel
from tests.session import running
from tests.session.notebook import Notebook
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbfn.config import Settings

pytestmark = pytest.mark.needs("docker", "toolchains", "python3.11")

BASE = "docker-daemon:nbfn-test/base:latest"
PLACE = """
    import os

    def place(word):
        if word == "raise":
            raise LookupError("no such word")
        return [word, os.getuid(), os.getcwd(), os.path.exists("/etc/debian_version")]
"""


@contextlib.contextmanager
def using(state: Path, images: Path, driver: str, notebook: Notebook) -> Iterator[Session]:
    state.mkdir()
    (state / "images").symlink_to(images)
    settings = config.load(
        {"NBFN_STATE": str(state), "NBFN_LINGER_S": "2", "NBFN_DRIVER": driver, "NBFN_BASE": BASE}
    )
    with Session(settings, notebook.cells, notebook.namespace) as made:
        sessions.use(made)
        try:
            yield made
        finally:
            running.stop(settings)


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layout that the tests share, with the base in it."""
    return tmp_path_factory.mktemp("images")


@pytest.fixture
def daemon() -> Iterator[Any]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture
def session(state: Path, images: Path, notebook: Notebook, daemon: Any) -> Iterator[Session]:
    with using(state / "d", images, "docker", notebook) as made:
        yield made
    mark = hashlib.sha256(os.fsencode(made.settings.state)).hexdigest()[:12]
    until(lambda: containers(daemon, made.settings) == [])  # the daemon removes them after it has answered
    for image in daemon.images.list(f"nbfn.local/{mark}"):
        for tag in image.tags:
            if mark in tag:
                daemon.images.remove(tag)


def containers(daemon: Any, settings: Settings) -> list[str]:
    """Ids of those of this state folder, running or not."""
    found = daemon.containers.list(all=True, filters={"label": f"nbfn.state={settings.state}"})
    return [container.id for container in found]


def of_cell(source: str, name: str, notebook: Notebook, **options: Any) -> Function[..., Any]:
    notebook.run(source)
    return function(cast("Callable[..., Any]", notebook.namespace[name]), **options)


def heard(place: Function[..., Any]) -> tuple[object, str, str]:
    """What it answers, how it raises, and its image's digest."""
    answer = place("go")
    with pytest.raises(LookupError, match="no such word") as raised:
        place("raise")
    assert place.deployment is not None
    return answer, str(raised.traceback[-1].statement).strip(), place.deployment.image.digest


def test_a_cell_on_a_base_is_the_same_in_docker_as_in_the_sandbox(
    session: Session, notebook: Notebook, state: Path, images: Path
) -> None:
    place = of_cell(PLACE, "place", notebook, base=BASE)
    answer, line, digest = heard(place)
    assert answer == ["go", 1000, "/function", True]
    assert line == 'raise LookupError("no such word")'
    assert place.last is not None
    assert place.last.start == "warm"
    with using(state / "s", images, "sandbox", notebook):
        assert heard(of_cell(PLACE, "place", notebook, base=BASE)) == (answer, line, digest)


def test_a_cell_without_a_base_has_the_one_of_containers_where_there_are_only_those(
    session: Session, notebook: Notebook, state: Path, images: Path
) -> None:
    answer, _, digest = heard(of_cell(PLACE, "place", notebook))
    assert answer == ["go", 1000, "/function", True]
    assert heard(of_cell(PLACE, "place", notebook, base=BASE))[2] == digest
    with using(state / "a", images, "auto", notebook) as auto:
        place = of_cell(PLACE, "place", notebook)
        assert place("go")[0] == "go"
        assert place.image is not None
        assert HOST_LABEL in auto.layout.get(place.image).labels


def test_the_base_of_containers_that_cannot_be_had(session: Session, notebook: Notebook) -> None:
    session.settings = replace(session.settings, base="127.0.0.1:1/fn/python:{python}")
    place = of_cell(PLACE, "place", notebook)
    with pytest.raises(
        RegistryError, match=r"base 'fn', .* is 127\.0\.0\.1:1/fn/python:3\.11, .*reached"
    ) as no:
        place("go")
    assert "NBFN_BASE" in no.value.hint
    assert "--base" in no.value.hint
    assert not session.ask(lambda target: target.list("notebook"))


def test_containers_of_a_killed_executor_are_swept_by_the_next(
    session: Session, notebook: Notebook, daemon: Any
) -> None:
    source = "def wait(forever):\n    while forever:\n        pass\n    return 'here'"
    wait = of_cell(source, "wait", notebook, base=BASE)
    assert wait(False) == "here"
    assert wait.deployment is not None
    started = threading.Event()
    subscription = session.subscribe(
        wait.deployment.fn_id, lambda event: started.set() if event.kind == "call.started" else None
    )
    errors: list[BaseException] = []

    def call() -> None:
        try:
            wait(True)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert started.wait(60)
    subscription.close()
    while len(before := containers(daemon, session.settings)) < 2:  # the instance, and who holds its network
        time.sleep(0.05)
    running.kill(session.settings)
    thread.join()
    assert [type(error) for error in errors] == [ExecutorLost]
    assert wait(False) == "here"
    until(lambda: not set(before) & set(containers(daemon, session.settings)))


@pytest.mark.parametrize("driver", ["docker", "sandbox"])
def test_a_package_that_the_kernel_lacks_comes_from_a_wheel(
    notebook: Notebook,
    state: Path,
    images: Path,
    tmp_path: Path,
    driver: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = tmp_path / "wheels"
    make_wheel(index, "nbfntestone", "2.1", "py3-none-any", requires=("nbfntesttwo",))
    make_wheel(index, "nbfntesttwo", "1.0", "py3-none-any")
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(index))
    source = """
        def versions():
            import nbfntestone, nbfntesttwo
            return [nbfntestone.VERSION, nbfntesttwo.VERSION]
    """
    with using(state / driver, images, driver, notebook):
        versions = of_cell(source, "versions", notebook, base=BASE, requires=["nbfntestone>=2"])
        assert [row.origin for row in versions.show().packages] == ["nbfntestone>=2 (wheel)"]
        assert versions() == ["2.1", "1.0"]
        assert not versions.diff()
        assert versions.deploy().last is not None
        of_base = of_cell(source, "versions", notebook, base=BASE, requires=["nbfntestone==2.1"])
        assert not of_base.diff()
        newer = of_cell(source, "versions", notebook, base=BASE, requires=["nbfntestone>=3"])
        assert "nbfntestone>=3" in str(newer.diff())
        with pytest.raises(RequirementError, match="no wheels could be had of nbfntestone>=3"):
            newer()
        plain = of_cell(source, "versions", notebook, requires=["nbfntestone"])
        if driver == "docker":  # where no base stands for one that is not this Python
            assert plain() == ["2.1", "1.0"]
            return
        with pytest.raises(RequirementError, match="not installed here"):
            plain.show()


def test_a_project_folder_in_docker(session: Session, tmp_path: Path) -> None:
    nbfn.init_project(tmp_path / "hello", "python3.11")
    how = nbfn.Building(base=BASE)
    assert nbfn.build_project(tmp_path / "hello").layers[0].what == "base"
    assert nbfn.deploy_project(tmp_path / "hello", "b", create_app=True)
    assert nbfn.invoke_function("b", "hello", b"").text == '{"message": "Hello World"}'
    with Session(replace(session.settings, driver="auto")) as other:
        assert other.check_reach("hello").base == "fn"  # it counts what the executor has that is running
    assert nbfn.build_project(tmp_path / "hello", how=how).layers[0].what == "base"
    assert nbfn.deploy_project(tmp_path / "hello", "a", create_app=True, how=how).version == "0.0.3"
    assert nbfn.invoke_function("a", "hello", b"").text == '{"message": "Hello World"}'
    assert nbfn.load_folder(tmp_path / "hello", app="b", how=how)(name="Bo") == {"message": "Hello Bo"}


@pytest.mark.needs("docker-registry", "base")
def test_a_base_in_a_registry(session: Session, notebook: Notebook, daemon: Any, tmp_path: Path) -> None:
    """Pushed there by Docker, fetched by nbfn; what is built on it runs as a container."""
    with running_registry(tmp_path / "registry") as registry:
        name = f"{registry.host}/bases/debian"
        assert daemon.images.get("nbfn-test/base").tag(name, "1")
        try:
            said = list(daemon.images.push(name, "1", stream=True, decode=True))
        finally:
            daemon.images.remove(f"{name}:1", noprune=True)
        assert not [line for line in said if "error" in line]
        base = f"localhost:{registry.host.rpartition(':')[2]}/bases/debian:1"
        place = of_cell(PLACE, "place", notebook, base=base)
        assert heard(place)[0] == ["go", 1000, "/function", True]
        assert containers(daemon, session.settings)
        assert place.image is not None
        assert base in session.layout.get(place.image).labels.values()
        registry.stop()
        changed = PLACE.replace("[word,", "[word * 2,")
        assert of_cell(changed, "place", notebook, base=base)("go")[0] == "gogo", "the base is here now"

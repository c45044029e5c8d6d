"""The same image in Docker, and the same edit by Docker: what its users wait for.

Needs a Docker daemon and the Debian that ``.ci/base`` makes.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import docker

import nbfn
from benchmarks import images
from benchmarks.functions import increment, path_of
from benchmarks.measure import Row, row
from benchmarks.raw import RawClient, post
from nbfn.containerize import Layout, host
from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer, digest_of_file
from nbfn.containerize.places import Daemon, Tarball

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from nbfn.session import Session

_BODY = b'{"x": 1}'
_DOCKERFILE = 'FROM {base}\nCOPY func.py /function/\nCMD ["python3", "/function/func.py"]\n'


def missing() -> str:
    """Why Docker cannot be a peer here; empty if it can."""
    if sys.version_info[:2] != (3, 11):
        return "the base that .ci/base makes has Python 3.11"
    return images.missing_docker()


def rows(session: Session, *, runs: int = 5) -> Iterator[Row]:
    """Cold starts of one image, in the sandbox and by ``docker run``; then a changed line, by both."""
    if lacking := missing():
        print(f"without the peers in Docker: {lacking}", file=sys.stderr)
        yield row("edit-loop", "ms", [_edited(number) for number in range(2 * runs)][1:])
        return
    with (
        tempfile.TemporaryDirectory(prefix="nbfn-c-") as name,
        contextlib.closing(docker.from_env()) as client,
        _debian(client, Path(name)) as (base, tag),
    ):
        yield from _cold(session, client, base, Path(name), runs)
        yield _edit(client, tag, Path(name) / "build", runs)


def _cold(session: Session, client: DockerClient, base: str, folder: Path, runs: int) -> Iterator[Row]:
    """The same image, which brings its own root; and the same function as it is usually deployed."""
    usual, own_root = [], []
    for number in range(3 * runs + 1):
        usual.append(_first_call(session, f"usual-{number}", "host"))
        own_root.append(_first_call(session, f"own-root-{number}", base))
    deployed = nbfn.deploy(increment, name="own-root-0", base=base, memory=128).deployment
    assert deployed is not None
    image = f"nbfn-bench/{uuid4().hex[:12]}:1"
    Daemon(image).store(Layout(session.settings.images).get(deployed.image))
    try:
        theirs = [_run(image, folder / f"run-{number}") for number in range(runs + 1)][1:]
    finally:
        client.images.remove(image, force=True)
    yield row("cold-start-docker", "ms", own_root[1:], theirs, "docker run of the same image")
    yield row("cold-start-docker-usual", "ms", usual[1:], theirs, "docker run of the same function")


def _first_call(session: Session, name: str, base: str) -> float:
    deployed = nbfn.deploy(increment, name=name, base=base, memory=128, idle_timeout=5)
    assert session.endpoint.socket is not None
    with RawClient(session.endpoint.socket) as caller:
        begin = time.perf_counter()
        caller.exchange(post(path_of(deployed), _BODY, session.endpoint.token))
        return (time.perf_counter() - begin) * 1e3


def _run(image: str, folder: Path) -> float:
    """Milliseconds from ``docker run`` to the answer of the first call."""
    folder.mkdir()
    folder.chmod(0o777)  # whoever the image's user is
    options = ["--network=none", f"--volume={folder}:/tmp/iofs", "--env=FN_LISTENER=unix:/tmp/iofs/lsnr.sock"]
    begin = time.perf_counter()
    command = ["docker", "run", "--detach", *options, "--env=FN_FORMAT=http-stream", image]
    container = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        until = begin + 30
        while not (folder / "lsnr.sock").is_socket():
            if time.perf_counter() > until:
                raise RuntimeError(f"{image} made no socket")
            time.sleep(0.0005)
        with RawClient(folder / "lsnr.sock") as caller:
            caller.exchange(post("/call", _BODY))
        return (time.perf_counter() - begin) * 1e3
    finally:
        subprocess.run(["docker", "rm", "--force", container], check=True, capture_output=True)


def _edit(client: DockerClient, base: str, folder: Path, runs: int) -> Row:
    """Changed source → built, started, and the first answer of the new code."""
    mine, theirs = [], []
    folder.mkdir()
    (folder / "Dockerfile").write_text(_DOCKERFILE.format(base=base))
    made: list[str] = []
    try:
        for number in range(runs + 1):
            mine += [_edited(2 * number), _edited(2 * number + 1)]
            theirs.append(_built(client, made, folder, number))
    finally:
        for each in made:
            client.images.remove(each, force=True)
    return row("edit-loop", "ms", mine[2:], theirs[1:], "docker build, docker run")


def _edited(number: int) -> float:
    scope: dict[str, Any] = {"__name__": "bench_edit"}
    source = f"def edited(x: int) -> int:\n    return x + {number}\n"
    filename = f"<edit {number}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), scope)
    begin = time.perf_counter()
    answer = nbfn.deploy(scope["edited"], name="edited", memory=128)(1)
    took = (time.perf_counter() - begin) * 1e3
    assert answer == number + 1
    return took


def _built(client: DockerClient, made: list[str], folder: Path, number: int) -> float:
    begin = time.perf_counter()
    (folder / "func.py").write_text(f"def edited(x):\n    return x + {number}\n\nprint(edited(1))\n")
    image, _ = client.images.build(path=str(folder), rm=True)
    made.append(image.id)
    said = client.containers.run(image.id, network_mode="none", remove=True)
    took = (time.perf_counter() - begin) * 1e3
    assert json.loads(said) == number + 1
    return took


@contextlib.contextmanager
def _debian(client: DockerClient, folder: Path) -> Iterator[tuple[str, str]]:
    """A base for both: a file for nbfn to build on, a tag of the daemon for Docker."""
    with images.BASE_FILES.open("rb") as file:
        digest, size = digest_of_file(file)
    layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, images.BASE_FILES)
    image = Image.empty({"os": "linux", "architecture": host.machine_platform()["architecture"]})
    image = image.append(layer, created_by="debootstrap")
    archive, daemon = Tarball(folder / "base.tar"), Daemon(f"nbfn-bench/{uuid4().hex[:12]}:1")
    archive.store(image)
    daemon.store(image)
    try:
        yield str(archive), daemon.name
    finally:
        client.images.remove(daemon.name, force=True)

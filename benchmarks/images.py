"""Code to registry: built in process and pushed, beside Docker's build and push of the same function.

Needs a Docker daemon, Debian's ``docker-registry``, and the base that ``.ci/base`` makes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors

from benchmarks.measure import Row, row
from nbfn import config
from nbfn.containerize import Layout, build
from nbfn.containerize.publish import publish
from nbfn.spec import Capture, FunctionSpec, PythonVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient

BASE_FILES = Path(os.environ.get("NBFN_TEST_CACHE", "/var/cache/nbfn-tests")) / "debian-python.tar"
_PEER = "docker build, docker push"
_VERSIONS = ("23.0", "23.1", "23.2", "24.0", "24.1", "24.2")
_DOCKERFILE = 'FROM {base}\nCOPY site /python\nCOPY func.py /function/\nENTRYPOINT ["python3", "func.py"]\n'


def missing() -> str:
    """What of this machine's parts is not there; empty if these rows can be measured."""
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed"
    return missing_docker()


def missing_docker() -> str:
    """The same, for what needs no registry."""
    if not BASE_FILES.is_file():
        return f"{BASE_FILES} is not there: .ci/base makes it"
    try:
        with contextlib.closing(docker.from_env()) as client:
            client.ping()
    except docker.errors.DockerException:
        return "no Docker daemon answers"
    return ""


def rows(runs: int = 15) -> Iterator[Row]:
    """A changed line, a changed requirement, and nothing changed at all."""
    with tempfile.TemporaryDirectory(prefix="nbfn-i-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        client = stack.enter_context(contextlib.closing(docker.from_env()))
        host = stack.enter_context(_registry(folder / "registry"))
        base = f"{host}/base:1"
        stack.enter_context(_base(client, base))
        ours, theirs = _Ours(folder / "ours", base, host), _Theirs(folder / "theirs", base, host, client)
        stack.callback(theirs.forget)
        yield _both("push-code-change", ours, theirs, [(n, _VERSIONS[0]) for n in range(runs + 1)])
        yield _both("push-no-change", ours, theirs, [(runs, _VERSIONS[0])] * (runs + 1))
        yield _both("push-requirement-change", ours, theirs, [(runs, each) for each in _VERSIONS])


class _Ours:
    def __init__(self, folder: Path, base: str, host: str) -> None:
        self._settings = config.load(state=str(folder))
        self._layout = Layout(self._settings.images)
        self._base, self._where = base, f"{host}/ours/f:1"

    def __call__(self, source: str, version: str) -> None:
        spec = FunctionSpec(name="f", app="bench", base=self._base, requires=(f"packaging=={version}",))
        python = PythonVersion(*sys.version_info[:2])
        capture = Capture(handler="f", style="values", source=source, python=python)
        built = build(spec, capture, self._layout, settings=self._settings)
        publish(built.image, self._where, self._layout, settings=self._settings)


class _Theirs:
    """Docker's API without its command line; the packages are installed by uv, as ours are."""

    def __init__(self, folder: Path, base: str, host: str, client: DockerClient) -> None:
        self._folder, self._client, self._where = folder, client, f"{host}/theirs/f"
        self._version = ""
        self.made: set[str] = set()
        """Ids of what it built."""
        folder.mkdir()
        (folder / "Dockerfile").write_text(_DOCKERFILE.format(base=base))

    def __call__(self, source: str, version: str) -> None:
        (self._folder / "func.py").write_text(source)
        if version != self._version:
            site = self._folder / "site"
            shutil.rmtree(site, ignore_errors=True)
            install = [sys.executable, "-m", "uv", "pip", "install", "-q", "--target", str(site)]
            subprocess.run([*install, f"packaging=={version}"], check=True)
            self._version = version
        built, _ = self._client.images.build(path=str(self._folder), tag=f"{self._where}:1", rm=True)
        self.made.add(str(built.id))
        said: Any = self._client.images.push(self._where, "1", stream=True, decode=True)
        for line in said:
            if "error" in line:
                raise RuntimeError(line["error"])

    def forget(self) -> None:
        """What it left in the daemon."""
        for each in self.made:  # the tag moved on from all but the last
            with contextlib.suppress(docker.errors.ImageNotFound):
                self._client.images.remove(each, force=True)


def _both(name: str, ours: _Ours, theirs: _Theirs, steps: list[tuple[int, str]]) -> Row:
    """In turn, so that both meet the same noise; the first step does not count."""
    mine, other = [], []
    for number, version in steps:
        source = f"def f(x: int) -> int:\n    return x + {number}\n"
        mine.append(_milliseconds(lambda: ours(source, version)))  # noqa: B023 - called at once
        other.append(_milliseconds(lambda: theirs(source, version)))  # noqa: B023
    return row(name, "ms", mine[1:], other[1:], _PEER)


def _milliseconds(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return (time.perf_counter() - begin) * 1e3


@contextlib.contextmanager
def _registry(folder: Path) -> Iterator[str]:
    folder.mkdir()
    settings = folder / "config.yml"
    settings.write_text(
        "version: 0.1\nlog: {level: info}\nhttp: {addr: '127.0.0.1:0', secret: a}\n"
        f"storage: {{filesystem: {{rootdirectory: '{folder}'}}}}\n"
    )
    with subprocess.Popen(
        ["docker-registry", "serve", settings], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr
        found = next(filter(None, (re.search(r"listening on (127\S+:\d+)", line) for line in process.stderr)))
        with (folder / "log").open("w") as log:  # a full pipe would stop it
            copying = subprocess.Popen(["cat"], stdin=process.stderr, stdout=log)
        try:
            yield found[1]
        finally:
            process.kill()
            copying.wait()


@contextlib.contextmanager
def _base(client: DockerClient, name: str) -> Iterator[None]:
    repository, _, tag = name.rpartition(":")
    with BASE_FILES.open("rb") as file:
        client.api.import_image_from_data(file, repository=repository, tag=tag, changes=["CMD sh"])
    try:
        for line in client.images.push(repository, tag, stream=True, decode=True):
            if "error" in line:
                raise RuntimeError(line["error"])
        yield
    finally:
        client.images.remove(name, force=True)

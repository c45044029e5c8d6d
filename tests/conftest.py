"""What every test may use: markers for real parts, private state folders, no leaks."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from nbfn import config
from nbfn.containerize import host
from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer, digest_of_file
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Iterator


def debian_base() -> Path:
    """The files of a Debian with Python, which ``.ci/base`` makes once for a machine."""
    return Path(os.environ.get("NBFN_TEST_CACHE", "/var/cache/nbfn-tests")) / "debian-python.tar"


@functools.cache
def _has_toolchains() -> bool:
    """The images that ``.ci/toolchains`` makes."""
    names = [f"nbfn-test/{name}" for name in ("base", "go-dev", "java", "java-dev", "node", "python-dev")]
    done = subprocess.run(["docker", "image", "inspect", *names], capture_output=True, check=False)
    return done.returncode == 0


_PARTS = {
    "chromium": lambda: shutil.which("chromium") is not None,
    "curl": lambda: shutil.which("curl") is not None,
    "base": lambda: debian_base().is_file(),
    "docker": lambda: Path("/var/run/docker.sock").is_socket(),
    "docker-registry": lambda: shutil.which("docker-registry") and shutil.which("htpasswd"),
    "nginx": lambda: shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"),
    "openssl": lambda: shutil.which("openssl") is not None,
    "skopeo": lambda: shutil.which("skopeo") is not None,
    "debian-venv": lambda: any(Path("/usr/lib").glob("python3.*/ensurepip")),
    # The base's own, whose packages those of this one's environment have to suit.
    "python3.11": lambda: sys.version_info[:2] == (3, 11),
    "podman": lambda: shutil.which("podman") is not None,
    "setpriv": lambda: shutil.which("setpriv") is not None,
    "root": lambda: os.geteuid() == 0,
    "oci-sdk": lambda: all(
        (Path(__file__).parents[1] / f".venv-{name}" / ".done").exists() for name in ("oci", "oci-20181201")
    ),
    "kernels": lambda: all(
        (Path(__file__).parents[1] / f".venv-kernel-{version}" / ".done").exists()
        for version in ("6.31", "7.0.1")
    ),
    "toolchains": _has_toolchains,
    "umoci": lambda: shutil.which("umoci") is not None,
    "uml": lambda: shutil.which("linux.uml") is not None,
}


# No test judges by the clock: the machine may be busy with others.
hypothesis_settings.register_profile(
    "nbfn", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
hypothesis_settings.load_profile("nbfn")


@pytest.fixture(autouse=True, scope="session")
def _no_test_touches_the_state_of_whoever_runs_it() -> Iterator[None]:
    folder = tempfile.mkdtemp(prefix="nbfn-d-")
    former = os.environ.get("NBFN_STATE")
    # And whichever server their Fn CLI uses is not asked.
    os.environ |= {"NBFN_STATE": folder, "NBFN_LINGER_S": "1", "FN_CONTEXT": "default"}
    yield
    if former is None:
        del os.environ["NBFN_STATE"]
    else:
        os.environ["NBFN_STATE"] = former
    shutil.rmtree(folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)  # before they are dealt out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with the Docker daemon take turns: what one builds or removes there, another would see."""
    for item in items:
        if any("docker" in mark.args for mark in item.iter_markers("needs")):
            item.add_marker(pytest.mark.xdist_group("docker"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A missing real part skips a test on a person's machine and fails it in CI."""
    for mark in item.iter_markers("needs"):
        for part in mark.args:
            if _PARTS[part]():
                continue
            lacking(f"{part} is not on this machine", f"{part} is needed here and missing")


@pytest.fixture(scope="session")
def debian() -> Image:
    """A Debian with its Python. Takes the part ``base``."""
    path = debian_base()
    with path.open("rb") as file:
        digest, size = digest_of_file(file)
    layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, path)
    here = {"os": "linux", "architecture": host.machine_platform()["architecture"]}
    return Image.empty(here).append(layer, created_by="debootstrap")


@pytest.fixture
def state() -> Iterator[Path]:
    """A private state folder with a path short enough for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-t-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def settings(state: Path) -> config.Settings:
    """Settings over a private state folder, deaf to the environment."""
    return config.load({"NBFN_STATE": str(state), "NBFN_LINGER_S": "2"})

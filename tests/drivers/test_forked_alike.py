"""What a function sees is the same in a fork of a zygote and in a process of its own."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.containerize import Layout, build
from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer
from nbfn.containerize.layers import Entry, write_tar
from nbfn.drivers import Guarded, SandboxDriver
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox.probe import probe
from nbfn.spec import Capture, FunctionSpec, ImageRef, PythonVersion
from tests.drivers.rig import HOST, Output, make_request
from tests.drivers.test_real_image import post
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.anyio

SOURCE = """\
import locale
import os
import signal
import subprocess
import sys

import set_up

def look():
    mask = os.umask(0)
    os.umask(mask)
    with open("/proc/self/status") as status, open("/proc/self/limits") as limits:
        rights = [line for line in status if line.startswith(("Cap", "NoNew", "Secc", "Sig", "Uid", "Gid"))]
        limited = limits.read()
    opened = [name for name in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{name}")]
    child = [sys.executable, "-c", "import os, sys; print(sys.path, sorted(os.environ.items()))"]
    return {
        "environ": dict(os.environ),
        "path": [path for path in sys.path],
        "flags": repr(sys.flags),
        "names": [sys.argv, sys.executable, sys.prefix, sys.exec_prefix, sys.warnoptions],
        "place": [os.getcwd(), oct(mask), os.uname().nodename, os.getsid(0) == os.getpid()],
        "opened": [os.readlink(f"/proc/self/fd/{name}").partition(":")[0] for name in sorted(opened)],
        "handlers": [str(signal.getsignal(each)).partition(" at ")[0] for each in signal.valid_signals()],
        "locale": [locale.setlocale(locale.LC_CTYPE), locale.getpreferredencoding()],
        "files": sys.getfilesystemencoding(),
        "streams": [(each.encoding, each.errors) for each in (sys.stdin, sys.stdout, sys.stderr)],
        "rights": rights,
        "limited": limited,
        "child": subprocess.run(child, capture_output=True, text=True, check=True).stdout,
        "main": sorted({"sys", "zygote"} & set(vars(sys.modules["__main__"]))),
        "confine": [name for name in sys.modules if name.startswith("confine")],
        "known": [path for path in sys.path_importer_cache if ".zygote" in path or path.endswith("/sandbox")],
    }
"""
SET_UP = b"import os\nos.environ.setdefault('SET_UP', 'by an import')\n"
PLACES = "/opt/nbfn:/function:/python"


def layer_of(layout: Layout, files: Mapping[str, bytes]) -> Layer:
    tar = io.BytesIO()
    write_tar([Entry.of(path, data) for path, data in files.items()], tar.write)
    digest, size = layout.add(lambda sink: sink.write(tar.getvalue()), "a test's layer", 0)
    return Layer(Descriptor(LAYER_TYPE, digest, size), digest, layout.blob(digest))


def make_image(
    layout: Layout, on: Image | None, cwd: str = "/function", *without: str, **env: str
) -> ImageRef:
    """``look`` with the real runtime, and a package below it."""
    python = PythonVersion(*sys.version_info[:2])
    capture = Capture("look", "values", SOURCE, python, preload=("set_up",))
    *below, code = layout.get(build(FunctionSpec("look", "test"), capture, layout).image).layers
    image = on or Image.empty({"os": "linux", "architecture": "amd64"})
    for layer in (*below, layer_of(layout, {"python/set_up.py": SET_UP}), code):
        image = image.append(layer, created_by="a test")
    own = {"PATH": "/usr/bin:/bin", "PYTHONPATH": PLACES, "LANG": "C.UTF-8", **env}
    image = image.configured(
        env={name: value for name, value in own.items() if name not in without},
        labels={} if on else {"org.nbfn.host": HOST},
        Entrypoint=["python3", "-S", "-B", "-m", "nbfn_runtime"],
        WorkingDir=cwd,
        User="1000:1000",
    )
    return layout.put(image, "nbfn.local/test/look")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images and their files, to unpack a Debian once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(params=["host", pytest.param("own root", marks=pytest.mark.needs("base"))])
def on(request: pytest.FixtureRequest) -> Image | None:
    """A Debian with its Python; or None for this machine's."""
    return request.getfixturevalue("debian") if request.param == "own root" else None


@pytest.fixture
def state(state: Path, kept: Path) -> Path:
    for folder in ("images", "layers"):
        (kept / folder).mkdir(exist_ok=True)
        (state / folder).symlink_to(kept / folder)
    return state


async def seen(state: Path, image: ImageRef, zygotes: int) -> dict[str, object]:
    """What the function sees, forked or not."""
    driver = Guarded(SandboxDriver(config.load({"NBFN_STATE": str(state), "NBFN_ZYGOTES": str(zygotes)})))
    if driver.isolation.tier != "T2":
        lacking(f"this machine does not allow T2: {driver.isolation.missing}")
    try:
        request = make_request(image)
        instance = await driver.start(request, Output())
        assert isinstance(driver._inner, SandboxDriver)
        assert bool(driver._inner._zygotes.alive) == bool(zygotes)
        head, body = await post(instance.socket, b"")
        assert head.startswith("HTTP/1.1 200"), body
        found: dict[str, object] = json.loads(body.replace(request.instance_id.encode(), b"ID"))
        return found
    finally:
        await driver.close()


@pytest.mark.parametrize(
    ("env", "without"),
    [
        ({}, ()),
        ({}, ("LANG",)),
        ({"PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error", "TZ": "Asia/Tokyo"}, ()),
        ({"PYTHONPATH": f"{PLACES}:/nowhere:beside:/python"}, ()),
        ({f"LONG_{number}": "x" * 100_000 for number in range(5)}, ()),
    ],
    ids=["plain", "no-language", "of-pythons", "odd-path", "more-than-a-socket-holds"],
)
async def test_it_sees_the_same(
    state: Path, on: Image | None, env: Mapping[str, str], without: tuple[str, ...]
) -> None:
    image = make_image(Layout(state / "images"), on, "/function", *without, **env)
    alone = await seen(state, image, 0)
    assert await seen(state, image, 2) == alone
    environ = alone["environ"]
    assert isinstance(environ, dict)
    assert environ["SET_UP"] == "by an import"


async def test_a_closed_umask_of_the_executor_closes_nothing_to_it(state: Path, on: Image | None) -> None:
    former = os.umask(0o077)
    probe.cache_clear()
    try:
        image = make_image(Layout(state / "images"), on)
        alone = await seen(state, image, 0)
        assert await seen(state, image, 2) == alone
        place = alone["place"]
        assert isinstance(place, list)
        assert place[1] == "0o22"
    finally:
        os.umask(former)
        probe.cache_clear()


@pytest.mark.parametrize("zygotes", [0, 2])
async def test_a_working_folder_that_is_not_there_is_named(
    state: Path, on: Image | None, zygotes: int
) -> None:
    image = make_image(Layout(state / "images"), on, "/nowhere")
    with pytest.raises(StartFailed, match="cannot work in '/nowhere': No such file") as found:
        await seen(state, image, zygotes)
    assert "it is the image's WorkingDir: make /nowhere" in found.value.hint

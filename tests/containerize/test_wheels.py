"""Packages for a base that is not this kernel's own place: which files fit, and wheels for the rest."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import build, describe, wheels
from nbfn.containerize.host import machine_platform
from nbfn.containerize.places import Folder
from nbfn.containerize.target import Target
from nbfn.errors import RequirementError
from nbfn.spec import PythonVersion
from tests.containerize.conftest import make_capture, make_spec
from tests.containerize.test_bases import GLIBC, base_env, made_base
from tests.lacking import lacking

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.containerize import Layout

PYTHON = make_capture().python
CP = f"cp{PYTHON.major}{PYTHON.minor}"
MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine_platform()["architecture"], "x86_64")
DEBIAN = Target(PythonVersion(3, 11), "x86_64", "glibc", (2, 36))
ALPINE = Target(PythonVersion(3, 11), "aarch64", "musl", (1, 2))


@pytest.mark.parametrize(
    ("tag", "debian", "alpine"),
    [
        ("py3-none-any", True, True),
        ("cp311-cp311-manylinux_2_17_x86_64", True, False),
        ("cp311-cp311-manylinux2014_x86_64", True, False),
        ("cp311-cp311-manylinux_2_39_x86_64", False, False),
        ("cp39-abi3-manylinux1_x86_64", True, False),
        ("cp312-cp312-manylinux_2_17_x86_64", False, False),
        ("cp311-cp311-musllinux_1_1_aarch64", False, True),
        ("cp311-cp311-linux_x86_64", False, False),
        ("nonsense", False, False),
    ],
)
def test_what_runs_where(tag: str, debian: bool, alpine: bool) -> None:
    assert DEBIAN.takes([tag]) is debian
    assert ALPINE.takes([tag]) is alpine


def make_wheel(folder: Path, name: str, version: str, tag: str, requires: tuple[str, ...] = ()) -> None:
    """A wheel with a module, and a library that no machine could load."""
    info = f"{name}-{version}.dist-info"
    head = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {x}" for x in requires)]
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n",
        f"{name}.libs/libthing-1.so": "\x7fELF",
        f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", *head, ""]),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n",
    }
    record = [f"{path},{digest(text)},{len(text)}\n" for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture(params=["uv", "pip"])
def index(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is the only index, for either installer."""
    folder = tmp_path / "wheels"
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
        monkeypatch.setenv(f"UV_{name}", value)
    monkeypatch.setenv("UV_NO_CACHE", "1")
    if request.param == "pip":
        monkeypatch.setattr(wheels, "_uv", lambda: None)
    elif wheels.installer() != "uv":
        lacking("uv is not on this machine")
    return folder


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A Debian, as far as wheels can tell."""
    place = Folder(tmp_path / "base", "debian")
    place.store(made_base(tmp_path / "made", {"lib/libc.so.6": GLIBC}, env=base_env()))
    return str(place)


def test_what_the_kernel_lacks_comes_from_wheels(layout: Layout, index: Path, base: str) -> None:
    make_wheel(index, "thing", "1.0", f"{CP}-{CP}-manylinux_2_17_{MACHINE}", requires=("other>=2", "six"))
    make_wheel(index, "thing", "1.1", f"{CP}-{CP}-musllinux_1_2_{MACHINE}")
    make_wheel(index, "other", "2.5", "py3-none-any")
    make_wheel(index, "six", "9.9", "py3-none-any")
    six = next(p for p in build(make_spec(), make_capture(requirements=("six",)), layout).packages)
    make_wheel(index, "six", six.version, "py3-none-any")
    told: list[tuple[str, int, int]] = []
    spec = make_spec(base=base, requires=("thing",))
    capture = make_capture(requirements=(f"six=={six.version}",))
    built = build(spec, capture, layout, progress=lambda *step: told.append(step))
    origins = {str(package): package.origin for package in built.packages}
    assert origins == {"other 2.5": "wheel", f"six {six.version}": "installed", "thing 1.0": "wheel"}
    assert [step for step in told if step[0] == "wheels"] == [("wheels", 0, 1), ("wheels", 1, 1)]
    found = describe(layout.get(built.image))
    files = {file.path for file in found.layers[2].files}
    assert {"python/thing/__init__.py", "python/thing.libs/libthing-1.so", "python/six.py"} <= files
    assert not [path for path in files if path.endswith(("INSTALLER", "REQUESTED")) and "six" not in path]
    (index / "other-2.5-py3-none-any.whl").unlink()
    again = build(spec, capture, layout)
    assert again.reused
    assert again.image == built.image
    assert again.packages[0].origin == "wheel"


def test_no_wheel_for_the_base_is_said_so(layout: Layout, index: Path, base: str) -> None:
    make_wheel(index, "thing", "1.0", f"{CP}-{CP}-win_amd64")
    with pytest.raises(RequirementError, match=r"thing for Python .* with glibc 2\.36") as caught:
        build(make_spec(base=base, requires=("thing",)), make_capture(), layout)
    assert "base='host'" in caught.value.hint
    assert layout.refs() == {}
    with pytest.raises(RequirementError, match="not a requirement"):
        build(make_spec(base=base, requires=("thing ===== 1",)), make_capture(), layout)


def test_both_installers_give_the_same_layer(
    tmp_path: Path, index: Path, base: str, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index, "thing", "1.0", f"{CP}-abi3-manylinux_2_17_{MACHINE}")
    spec = make_spec(base=base, requires=("thing",))
    first = build(spec, make_capture(), layout)
    monkeypatch.setattr(wheels, "_uv", lambda: None)
    second = build(spec, make_capture(), type(layout)(tmp_path / "second"))
    assert first.image == second.image

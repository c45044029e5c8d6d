"""Archives: what is in them, the same bytes for the same capture, and what OCI would not run."""

from __future__ import annotations

import io
import random
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import host
from nbfn.deploy.oci import make_archive
from nbfn.deploy.oci.archive import RUNTIMES
from nbfn.deploy.oci.limits import ARCHIVE_MAX_BYTES
from nbfn.errors import BadInput, ImageError, LimitError, RequirementError
from nbfn.spec import PythonVersion
from tests.containerize.conftest import make_package as make_package
from tests.oci.functions import SPEC, captured

if TYPE_CHECKING:
    from tests.containerize.conftest import MakePackage

HERE = RUNTIMES.get((host.python().major, host.python().minor), "python312.ol9")


def test_what_is_in_it() -> None:
    capture = captured(files={"data/table.json": b"[1]"}, requirements=("click",))
    archive = make_archive(SPEC, capture, runtime=HERE)
    with zipfile.ZipFile(io.BytesIO(archive.source.data)) as held:
        names = held.namelist()
        assert names == sorted(names)
        assert {name.split("/")[0] for name in names} == {"function", "python"}
        assert {"function/func.py", "function/nbfn.json", "function/data/table.json"} <= set(names)
        assert {"python/nbfn_runtime/fdk.py", "python/click/__init__.py"} <= set(names)
        assert held.read("function/func.py").decode() == capture.source
        assert not any("__pycache__" in name for name in names)
        assert {info.external_attr >> 16 for info in held.infolist()} <= {0o100644, 0o100755}
    assert archive.source.handler == "nbfn_handler.handler"
    assert [package.name for package in archive.packages] == ["click"]
    assert archive.digest.startswith("sha256:")
    assert "data" not in repr(archive.source)


def test_the_same_capture_gives_the_same_bytes() -> None:
    one, two = (make_archive(SPEC, captured(), runtime=HERE) for _ in range(2))
    assert one.source == two.source
    assert make_archive(SPEC, captured("def greet(): pass"), runtime=HERE).source.sha256 != one.source.sha256


def test_pythons_that_oci_has_not() -> None:
    future = captured(python=PythonVersion(3, 14))
    with pytest.raises(BadInput, match=r"no runtime of Python 3\.14") as caught:
        make_archive(SPEC, future)
    assert "python312.ol9" in caught.value.hint
    assert make_archive(SPEC, future, runtime="python312.ol9").source.runtime == "python312.ol9"
    with pytest.raises(BadInput, match="travels as a pickle"):
        make_archive(SPEC, replace(future, by_value=True), runtime="python312.ol9")
    with pytest.raises(BadInput, match="use one of"):
        make_archive(SPEC, captured(), runtime="node24.ol9")


def test_compiled_packages_are_tied_to_their_python() -> None:
    other = next(name for name in RUNTIMES.values() if name != HERE)
    with pytest.raises(BadInput, match=r"\.so is compiled for Python"):
        make_archive(SPEC, captured(requirements=("httptools",)), runtime=other)


@pytest.mark.parametrize(
    ("tag", "runs"),
    [
        ("py3-none-any", True),
        ("{abi}-{abi}-manylinux_2_34_x86_64", True),
        ("{abi}-abi3-manylinux2014_x86_64", True),
        ("{abi}-{abi}-manylinux_2_35_x86_64", False),
        ("{abi}-{abi}-musllinux_1_2_x86_64", False),
        ("{abi}-{abi}-manylinux_2_28_aarch64", False),
        ("cp39-cp39-manylinux_2_28_x86_64", False),
        ("", True),
    ],
)
def test_a_wheel_for_another_machine(make_package: MakePackage, tag: str, runs: bool) -> None:
    minor = next(minor for minor, name in RUNTIMES.items() if name == HERE)
    abi = f"cp{minor[0]}{minor[1]}"
    wheel = {"nbfntagged-1.0.dist-info/WHEEL": f"Wheel-Version: 1.0\nTag: {tag.format(abi=abi)}\n"}
    make_package("nbfntagged", files={"nbfntagged/__init__.py": "", **(wheel if tag else {})})
    capture = captured(requirements=("nbfntagged",))
    if runs:
        assert make_archive(SPEC, capture, runtime=HERE).packages[0].name == "nbfntagged"
        return
    with pytest.raises(
        RequirementError, match=r"nbfntagged 1\.0 .* a wheel for .* with glibc 2\.34"
    ) as caught:
        make_archive(SPEC, capture, runtime=HERE)
    assert "image" in caught.value.hint


def test_what_is_too_large_says_of_what() -> None:
    large = captured(files={"data/table.pickle": random.Random(1).randbytes(26 * 2**20)})
    with pytest.raises(
        LimitError, match=r"26\.0 MB, and .* 25 MB directly \(unpacked: function/data 26"
    ) as caught:
        make_archive(SPEC, large, runtime=HERE)
    assert "image" in caught.value.hint


def test_what_is_just_not_too_large() -> None:
    fits = make_archive(SPEC, captured(files={"data/x.pickle": bytes(40 * 2**20)}), runtime=HERE)
    assert fits.size < 2**20, "it is the archive that counts, not what it unpacks to"
    near = captured(files={"data/x.pickle": random.Random(1).randbytes(ARCHIVE_MAX_BYTES - 2**18)})
    archive = make_archive(SPEC, near, runtime=HERE)
    assert ARCHIVE_MAX_BYTES - 2**18 < archive.size <= ARCHIVE_MAX_BYTES


def test_data_stays_in_its_folder() -> None:
    with pytest.raises(ImageError, match="data file"):
        make_archive(SPEC, captured(files={"../x": b""}), runtime=HERE)

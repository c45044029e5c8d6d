from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize.packages import closure
from nbfn.errors import RequirementError

if TYPE_CHECKING:
    from tests.containerize.conftest import MakePackage


def names(*requirements: str) -> list[str]:
    return [str(package) for package in closure(requirements)]


def test_requirements_are_followed_through_markers_extras_and_circles(make_package: MakePackage) -> None:
    make_package("aaa", requires=("bbb>=1", "absent; python_version < '3'", "ddd; extra == 'more'"))
    make_package("bbb", "2.5", requires=("CCC_x", "aaa[more]"))
    make_package("ccc-x", requires=("aaa",))
    make_package("ddd")
    make_package("unrelated")
    assert names("aaa==1.0") == ["aaa 1.0", "bbb 2.5", "ccc-x 1.0", "ddd 1.0"]
    assert names("ccc-x", "aaa") == names("aaa", "ccc-x")
    assert names("ddd; python_version < '3'") == []
    assert names() == []


def test_an_extra_is_taken_only_when_asked_for(make_package: MakePackage) -> None:
    make_package("aaa", requires=("bbb; extra == 'more'",))
    make_package("bbb")
    assert names("aaa") == ["aaa 1.0"]
    assert names("aaa[more]") == ["aaa 1.0", "bbb 1.0"]
    assert names("aaa", "aaa[more]") == ["aaa 1.0", "bbb 1.0"]


def test_what_a_package_requires_and_the_kernel_lacks_is_left_out(make_package: MakePackage) -> None:
    make_package("aaa", requires=("never-installed>=3", "not a requirement !!"))
    assert names("aaa") == ["aaa 1.0"]


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("never-installed==1.0", "never-installed is not installed in this kernel"),
        ("aaa==2.0", "needs aaa==2.0, and aaa 1.0 is installed"),
        ("aaa @@ 1", "is not a requirement"),
    ],
)
def test_a_requirement_that_cannot_be_met(make_package: MakePackage, requirement: str, message: str) -> None:
    make_package("aaa")
    with pytest.raises(RequirementError, match=message) as caught:
        closure([requirement])
    assert caught.value.hint


def test_a_local_version_meets_its_pin(make_package: MakePackage) -> None:
    make_package("aaa", "1.0+cpu")
    make_package("bbb", "1.0rc1")
    assert names("aaa==1.0+cpu", "bbb==1.0rc1") == ["aaa 1.0+cpu", "bbb 1.0rc1"]


def test_an_editable_package_is_refused(make_package: MakePackage) -> None:
    make_package("aaa", direct_url=json.dumps({"url": "file:///src", "dir_info": {"editable": True}}))
    with pytest.raises(RequirementError, match="editable"):
        closure(["aaa"])


def test_a_package_without_a_record_is_refused(make_package: MakePackage) -> None:
    make_package("aaa", record=False)
    with pytest.raises(RequirementError, match="no RECORD") as caught:
        closure(["aaa"])
    assert "pip install --force-reinstall aaa==1.0" in str(caught.value)


def test_files_are_placed_as_pip_would_into_a_target(make_package: MakePackage) -> None:
    site = make_package(
        "aaa",
        direct_url='{"url": "file:///home/me/aaa.whl"}',
        files={
            "aaa/__init__.py": "",
            "aaa/__pycache__/__init__.cpython-399.pyc": "",
            "aaa.libs/libx-1.so": "",
            "aaa/tests/test_it.py": "",
            "../../../bin/aaa": "#!python",
            "../../../share/aaa/data.txt": "data",
        },
    )
    (package,) = closure(["aaa"])
    found = dict(package.files())
    assert sorted(found) == [
        "aaa-1.0.dist-info/METADATA",
        "aaa-1.0.dist-info/RECORD",
        "aaa.libs/libx-1.so",
        "aaa/__init__.py",
        "aaa/tests/test_it.py",
        "share/aaa/data.txt",
    ]
    assert found["share/aaa/data.txt"].read_text() == "data"
    (site / "aaa" / "tests" / "test_it.py").unlink()
    assert "aaa/tests/test_it.py" not in dict(package.files())


def test_a_package_whose_files_are_gone_is_an_error(make_package: MakePackage) -> None:
    site = make_package("aaa")
    (package,) = closure(["aaa"])
    for path in site.rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(RequirementError, match="none of its files is there"):
        dict(package.files())


def test_an_absolute_path_cannot_go_along(make_package: MakePackage) -> None:
    site = make_package("aaa")
    with (site / "aaa-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("/etc/aaa.conf,,\n")
    (package,) = closure(["aaa"])
    with pytest.raises(RequirementError, match=r"/etc/aaa\.conf"):
        dict(package.files())


def test_shared_libraries_of_numpy_come_along() -> None:
    packages = closure(["numpy"])
    assert [package.name for package in packages] == ["numpy"]
    places = dict(packages[0].files())
    assert any(place.startswith("numpy.libs/") for place in places)
    assert "numpy/__init__.py" in places
    assert all(isinstance(source, Path) and source.is_file() for source in places.values())

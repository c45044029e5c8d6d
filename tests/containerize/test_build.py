from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbfn.runtime
from nbfn.containerize import build, describe, fits, unpack, validate
from nbfn.errors import BadInput, RequirementError
from nbfn.spec import PythonVersion
from tests.containerize.conftest import SOURCE, make_capture, make_spec

if TYPE_CHECKING:
    from nbfn.containerize import Layout
    from tests.containerize.conftest import MakePackage

ROOT = Path(__file__).parents[2]

BUILD = """
import sys
from pathlib import Path
from nbfn.containerize import Layout, build
from tests.containerize.conftest import make_capture, make_spec
sys.path.insert(0, sys.argv[2])
files = {name: name.encode() for name in {"data/a.json", "data/b.json", "data/c.json"}}
capture = make_capture(requirements=tuple(sys.argv[3:]), files=files)
print(build(make_spec(), capture, Layout(Path(sys.argv[1]))).image)
"""


def built_elsewhere(where: Path, seed: str, site: str, *requirements: str) -> str:
    """The reference that a build in another process prints."""
    command = [sys.executable, "-c", BUILD, str(where), site, *requirements]
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True, cwd="/"
    ).stdout.strip()


def run(folders: list[Path], script: str) -> str:
    """What ``script`` prints in a Python that has nothing but the image's layers."""
    root, *_, last = folders
    places = [root / "opt" / "nbfn", last / "function", *(folder / "python" for folder in folders[1:-1])]
    env = {"PYTHONPATH": os.pathsep.join(map(str, places)), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-S", "-B", "-W", "error", "-c", script]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True, cwd="/"
    ).stdout.strip()


def test_an_image_is_built_and_sound(layout: Layout) -> None:
    built = build(make_spec(), make_capture(), layout)
    assert built.image.repository == "nbfn.local/notebook/greet"
    assert [layer.what for layer in built.layers] == ["runtime", "code"]
    assert not any(layer.reused for layer in built.layers)
    image = layout.get(built.image)
    assert validate(image) == []
    assert [layer.descriptor.digest for layer in image.layers] == [layer.digest for layer in built.layers]
    assert [note["created_by"] for note in image.config["history"]] == ["nbfn: runtime", "nbfn: code"]
    fits(image)


def test_the_runtime_goes_along_unchanged(layout: Layout, tmp_path: Path) -> None:
    built = build(make_spec(), make_capture(), layout)
    folder = unpack(layout.get(built.image), tmp_path / "unpacked")[0] / "opt" / "nbfn" / "nbfn_runtime"
    here = Path(nbfn.runtime.__path__[0])
    for source in here.rglob("*.py"):
        copy = folder / source.relative_to(here)
        assert copy.read_bytes() == source.read_bytes()
        assert (copy.parent / "__pycache__" / f"{copy.stem}.{sys.implementation.cache_tag}.pyc").is_file()


@pytest.mark.parametrize("requirements", [(), ("six==1.17.0",), ("made-up==1.0",)])
def test_another_process_with_another_hash_seed_gives_the_same_digest(
    layout: Layout, tmp_path: Path, make_package: MakePackage, requirements: tuple[str, ...]
) -> None:
    # Nothing of it is compiled yet, so each build compiles it in interpreters of its own.
    files = {f"made_up/m{n}.py": f"WORDS = {{'a', 'b', 'c', {n}}}\nX = ' '\n" for n in range(12)}
    site = str(make_package("made-up", files={"made_up/__init__.py": "", **files}))
    refs = {
        built_elsewhere(tmp_path / f"images-{seed}", seed, site, *requirements) for seed in ("0", "1", "4242")
    }
    assert len(refs) == 1
    data = {f"data/{name}.json": f"data/{name}.json".encode() for name in "abc"}
    built = build(make_spec(), make_capture(requirements=requirements, files=data), layout)
    assert {str(built.image)} == refs


def test_the_same_again_makes_nothing(layout: Layout) -> None:
    first = build(make_spec(), make_capture(), layout)
    again = build(make_spec(), make_capture(), layout)
    assert again.reused
    assert again.image == first.image
    assert {path.name for path in (layout.path / "blobs" / "sha256").iterdir()} >= {
        layer.digest.removeprefix("sha256:") for layer in again.layers
    }


def test_a_code_change_reuses_every_other_layer(layout: Layout, make_package: MakePackage) -> None:
    make_package("made-up")
    first = build(make_spec(), make_capture(requirements=("made-up==1.0",)), layout)
    capture = make_capture(SOURCE + "# changed\n", requirements=("made-up==1.0",))
    changed = build(make_spec(), capture, layout)
    assert changed.image != first.image
    assert [(layer.what, layer.reused) for layer in changed.layers] == [
        ("runtime", True),
        ("dependencies", True),
        ("code", False),
    ]
    assert changed.layers[:2] == tuple(
        type(layer)(layer.digest, layer.size, True, layer.what) for layer in first.layers[:2]
    )


def test_a_build_without_change_reads_no_package(layout: Layout, make_package: MakePackage) -> None:
    site = make_package("made-up")
    first = build(make_spec(), make_capture(requirements=("made-up==1.0",)), layout)
    (site / "made_up" / "__init__.py").unlink()
    assert build(make_spec(), make_capture(requirements=("made-up==1.0",)), layout).image == first.image


def test_a_layer_that_was_lost_is_made_again(layout: Layout, make_package: MakePackage) -> None:
    make_package("made-up")
    capture = make_capture(requirements=("made-up==1.0",))
    first = build(make_spec(), capture, layout)
    for layer in first.layers:
        layout.blob(layer.digest).unlink()
    again = build(make_spec(), capture, layout)
    assert again.image == first.image
    assert not any(layer.reused for layer in again.layers)
    assert validate(layout.get(again.image)) == []


def test_another_version_of_a_package_is_another_layer(layout: Layout, make_package: MakePackage) -> None:
    site = make_package("made-up", "1.0")
    one = build(make_spec(), make_capture(requirements=("made-up==1.0",)), layout)
    with (site / "made_up-1.0.dist-info" / "RECORD").open("a") as record:
        record.write("made_up/extra.py,,\n")
    (site / "made_up" / "extra.py").write_text("MORE = 1\n")
    other = build(make_spec(), make_capture(requirements=("made-up==1.0",)), layout)
    assert one.layers[0].digest == other.layers[0].digest
    assert one.layers[1].digest != other.layers[1].digest


def test_packages_run_from_the_image_alone(layout: Layout, tmp_path: Path) -> None:
    capture = make_capture("import numpy\n\ndef greet():\n    return 1\n", requirements=("numpy",))
    built = build(make_spec(), capture, layout)
    assert [package.name for package in built.packages] == ["numpy"]
    folders = unpack(layout.get(built.image), tmp_path / "unpacked")
    where = run(folders, "import func, numpy; numpy.linalg.inv(numpy.eye(3)); print(numpy.__cached__)")
    assert Path(where).is_relative_to(folders[1] / "python")
    assert Path(where).is_file()
    assert run(folders, "import nbfn_runtime.wire as w; print(w.RUNTIME_CONTRACT)") == "1"


def test_progress_tells_of_what_is_made_and_only_of_that(layout: Layout, make_package: MakePackage) -> None:
    make_package("made-up", files={f"made_up/m{n}.py": "x = 1\n" for n in range(300)})
    told: list[tuple[str, int, int]] = []
    capture = make_capture(requirements=("made-up==1.0",))
    build(make_spec(), capture, layout, progress=lambda *step: told.append(step))
    for what in ("runtime", "dependencies", "code"):
        steps = [(done, total) for name, done, total in told if name == what]
        assert steps[0][0] == 0
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1]
        assert len(steps) <= 110
    told.clear()
    build(make_spec(), capture, layout, progress=lambda *step: told.append(step))
    assert told == []


def test_data_files_go_with_the_code(layout: Layout, tmp_path: Path) -> None:
    capture = make_capture(files={"data/model.pickle": b"\x80\x05"})
    built = build(make_spec(), capture, layout)
    code = unpack(layout.get(built.image), tmp_path / "unpacked")[-1]
    assert (code / "function" / "func.py").read_text() == SOURCE
    assert (code / "function" / "data" / "model.pickle").read_bytes() == b"\x80\x05"


def test_what_cannot_be_built_says_why(layout: Layout) -> None:
    with pytest.raises(BadInput, match="capital letters"):
        build(make_spec(base="docker.io/Python"), make_capture(), layout)
    with pytest.raises(BadInput, match=r"captured on Python 2\.7"):
        build(make_spec(), make_capture(python=PythonVersion(2, 7)), layout)
    with pytest.raises(RequirementError, match="never-installed"):
        build(make_spec(requires=("never-installed",)), make_capture(), layout)
    assert not layout.path.exists()


def test_a_description_tells_what_is_in_it(layout: Layout, make_package: MakePackage) -> None:
    make_package("made-up", "1.2")
    capture = make_capture(requirements=("made-up==1.2",), files={"data/a.json": b"[]"})
    built = build(make_spec(), capture, layout)
    image = layout.get(built.image)
    found = describe(image)
    assert found.digest == built.image.digest
    assert [str(package) for package in found.packages] == ["made-up 1.2"]
    assert found.entrypoint == ("python3", "-S", "-B", "-m", "nbfn_runtime")
    assert found.size == image.size > built.size
    assert found.created == "1970-01-01T00:00:00Z"
    assert found.labels["org.nbfn.handler"] == "greet"
    code = {file.path: file.size for file in found.layers[-1].files}
    assert code["function/func.py"] == len(SOURCE)
    assert code["function/data/a.json"] == 2
    text = str(found)
    for piece in ("made-up 1.2", "/function/func.py", "python3 -S -B -m nbfn_runtime", "greet", "cpython-"):
        assert piece in text
    assert all(len(line) <= 110 for line in text.splitlines())

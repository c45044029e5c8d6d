"""Tools that share no line with us read what we write."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import build
from tests.containerize.conftest import SOURCE, make_capture, make_spec

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.containerize import Built, Layout


@pytest.fixture
def built(layout: Layout) -> Built:
    capture = make_capture(requirements=("six",), files={"data/grüße.json": b"[]", f"data/{'x' * 120}": b"x"})
    return build(make_spec(), capture, layout)


def run(*command: object) -> str:
    return subprocess.run([str(x) for x in command], capture_output=True, text=True, check=True).stdout


@pytest.mark.needs("skopeo")
def test_skopeo_inspects_and_copies_it(layout: Layout, built: Built, tmp_path: Path) -> None:
    source = f"oci:{layout.path}:nbfn.local/notebook/greet:latest"
    found = json.loads(run("skopeo", "inspect", source))
    assert found["Digest"] == built.image.digest
    assert found["Layers"] == [layer.digest for layer in built.layers]
    assert found["Labels"]["org.nbfn.handler"] == "greet"
    assert found["Os"] == "linux"
    config = json.loads(run("skopeo", "inspect", "--config", source))
    assert config["config"]["Entrypoint"] == ["python3", "-S", "-B", "-m", "nbfn_runtime"]
    copied = tmp_path / "copied"
    run("skopeo", "--insecure-policy", "copy", source, f"dir:{copied}")  # verifies every digest
    for layer in built.layers:
        assert (copied / layer.digest.removeprefix("sha256:")).stat().st_size == layer.size
    archive = tmp_path / "docker.tar"
    run("skopeo", "--insecure-policy", "copy", source, f"docker-archive:{archive}:greet:latest")
    assert archive.stat().st_size > built.size


@pytest.mark.needs("umoci")
def test_umoci_lists_and_unpacks_it(layout: Layout, built: Built, tmp_path: Path) -> None:
    assert run("umoci", "list", "--layout", layout.path).split() == ["nbfn.local/notebook/greet:latest"]
    image = f"{layout.path}:nbfn.local/notebook/greet:latest"
    history = json.loads(run("umoci", "stat", "--json", "--image", image))["history"]
    assert [note["created_by"] for note in history] == ["nbfn: runtime", "nbfn: dependencies", "nbfn: code"]
    run("umoci", "unpack", "--rootless", "--image", image, tmp_path / "bundle")
    root = tmp_path / "bundle" / "rootfs"
    assert (root / "function" / "func.py").read_text() == SOURCE
    assert (root / "function" / "data" / "grüße.json").read_text() == "[]"
    assert (root / "function" / "data" / ("x" * 120)).read_text() == "x"
    assert (root / "python" / "six.py").is_file()
    assert (root / "opt" / "nbfn" / "nbfn_runtime" / "wire.py").is_file()
    run("umoci", "gc", "--layout", layout.path)
    assert all(layout.has(layer.digest, layer.size) for layer in built.layers)

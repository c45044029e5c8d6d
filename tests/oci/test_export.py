"""A function that went to OCI as code alone becomes a folder, and goes there again from it, or elsewhere."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbfn
from nbfn.containerize import host
from nbfn.deploy.oci import make_archive
from nbfn.deploy.oci.archive import RUNTIMES
from nbfn.errors import ImageError
from nbfn.projects import find_func_file, way_of
from nbfn.projects.zipped import archive_digest, keep, kept, read_archive
from tests.commands.fnline import fn
from tests.oci.functions import SPEC, captured
from tests.oci.home import SUBNETS, use_oracle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.server import Cloud

HERE = RUNTIMES.get((host.python().major, host.python().minor), "python312.ol9")
PRICES = {"tea": 2.5, "cake": 4.0}


def total(items: list[str]) -> dict[str, float]:
    """What it comes to."""
    import click

    return {click.unstyle("total"): sum(PRICES[item] for item in items)}


@pytest.fixture
def home(home: Path, cloud: Cloud) -> Path:
    use_oracle(cloud)
    fn("create", "app", "app01", "--annotation", SUBNETS)
    return home


@pytest.mark.needs("oci-sdk")
def test_a_cell_there_and_back(home: Path, cloud: Cloud) -> None:
    made = nbfn.deploy(total, app="app01", memory=256, config={"PLACE": "cloud"})
    assert made(["tea", "cake"]) == {"total": 6.5}
    done = made.export(home / "shop")
    assert {"func.yaml", "func.py", "requirements.txt", "Dockerfile", "nbfn.json"} <= set(done.files)
    assert not any(name.startswith(("python/", "nbfn_handler")) for name in done.files)
    assert (home / "shop" / "func.py").read_text() == made.source
    assert "click==" in (home / "shop" / "requirements.txt").read_text()
    function = find_func_file(home / "shop")
    assert (function.memory, function.config, function.runtime) == (256, {"PLACE": "cloud"}, "docker")
    assert way_of(function) == "here"

    # To where it came from: nothing has changed but its version.
    again = nbfn.deploy_project(home / "shop", "app01", bump=False)
    assert not again.changed
    # By name, it is the same folder.
    assert fn("export", "--app", "app01", "total", "named").code == 0
    for path in (home / "shop").rglob("*"):
        if path.is_file():
            assert (home / "named" / path.relative_to(home / "shop")).read_bytes() == path.read_bytes()
    # A change in it is deployed; and at home it answers as in the cloud.
    code = home / "shop" / "func.py"
    code.write_text(code.read_text().replace("2.5", "3.5"))
    assert fn("deploy", "--app", "app01", "shop").code == 0
    assert json.loads(fn("invoke", "app01", "total", "-d", '["tea"]').out) == {"total": 3.5}
    fn("use", "context", "default")
    assert fn("deploy", "--app", "a", "--create-app", "shop").code == 0
    assert json.loads(fn("invoke", "a", "total", "-d", '["tea"]').out) == {"total": 3.5}


@pytest.mark.needs("oci-sdk")
def test_a_project_that_uses_the_fdk(home: Path) -> None:
    fn("init", "--runtime", "python", "hello")
    assert fn("deploy", "--app", "app01", "hello").code == 0
    assert fn("export", "--app", "app01", "hello", "copy").code == 0
    assert (home / "copy" / "func.py").read_bytes() == (home / "hello" / "func.py").read_bytes()
    assert fn("deploy", "--app", "app01", "--no-bump", "copy").code == 0
    assert fn("invoke", "app01", "hello").out == '{"message": "Hello World"}'
    fn("use", "context", "default")
    done = fn("deploy", "--app", "a", "--create-app", "copy")
    assert done.code == 0, done.err
    assert fn("invoke", "a", "hello").out == '{"message": "Hello World"}'


def test_code_that_is_not_here(home: Path, tmp_path: Path, cloud: Cloud) -> None:
    nbfn.deploy(total, app="app01", memory=256)
    (fn_,) = cloud.store.fns.values()
    fn_.document["sourceDetails"]["sourceCodeSha256"] = "AAAA"
    done = fn("export", "--app", "app01", "total", "shop")
    assert done.code == 1
    assert "the code of 'total' is not here" in done.err
    assert "export it on the machine that deployed it" in done.err
    assert not (home / "shop").exists()


def test_what_is_kept_is_the_last_and_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = (make_archive(SPEC, captured(source), runtime=HERE) for source in ("x = 1", "x = 2"))
    for archive in (one, two):
        keep(tmp_path, "app01", "greet", archive.source.data)
    assert kept(tmp_path, "app01", "greet", two.digest) == two.source.data
    with pytest.raises(ImageError):
        kept(tmp_path, "app01", "greet", one.digest)
    (path,) = (each for each in tmp_path.rglob("*") if each.is_file())
    path.write_bytes(two.source.data[:-1])
    with pytest.raises(ImageError):
        kept(tmp_path, "app01", "greet", two.digest)
    (tmp_path / "file").touch()
    keep(tmp_path / "file", "app01", "greet", b"x")
    assert "is not kept, so it cannot be exported" in caplog.text


@given(st.binary(max_size=200))
def test_what_is_no_archive(data: bytes) -> None:
    with pytest.raises(ImageError):
        read_archive(data)


@given(
    st.dictionaries(st.sampled_from(["../x", "/etc/x", "a//b", "ok.py", "func.py"]), st.binary(max_size=9))
)
def test_an_archive_of_somebody_elses(files: dict[str, bytes]) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in {**files, "nbfn.json": b"{}", "nbfn_handler.py": b""}.items():
            archive.writestr(f"function/{name}", content)
    if {"../x", "/etc/x", "a//b"} & files.keys():
        with pytest.raises(ImageError, match="cannot be unpacked"):
            read_archive(buffer.getvalue())
    else:
        assert read_archive(buffer.getvalue()).files == {**files, "nbfn.json": b"{}"}


@pytest.mark.parametrize(
    ("image", "digest"),
    [
        ("archive python312.ol9 AAEC", "sha256:000102"),
        ("archive python312.ol9 no base64", ""),
        ("iad.ocir.io/ns/f:1", ""),
        ("pre-built ocid1.pbf", ""),
    ],
)
def test_the_digest_in_a_listing(image: str, digest: str) -> None:
    assert archive_digest(image) == digest

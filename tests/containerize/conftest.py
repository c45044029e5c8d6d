"""Captures made by hand, and packages made up on the spot."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Layout, build
from nbfn.spec import Capture, FunctionSpec, PythonVersion
from tests.containerize.registries import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from nbfn.containerize import Image
    from tests.containerize.registries import Registry

    MakePackage = Callable[..., Path]

SOURCE = "def greet(name):\n    return f'Hello {name}'\n"


def make_capture(source: str = SOURCE, **changes: object) -> Capture:
    """A capture of this Python, as :mod:`nbfn.capture` would make it."""
    given: dict[str, object] = {
        "handler": "greet",
        "style": "values",
        "source": source,
        "python": PythonVersion(*sys.version_info[:2]),
        **changes,
    }
    return Capture(**given)  # type: ignore[arg-type]


def make_spec(**changes: object) -> FunctionSpec:
    given: dict[str, object] = {"name": "greet", "app": "notebook", **changes}
    return FunctionSpec(**given)  # type: ignore[arg-type]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "images")


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakePackage:
    """Installs made-up distributions into a folder of ``sys.path``."""
    site = tmp_path / "env" / "lib" / "python" / "site-packages"
    site.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(site))

    def make(
        name: str,
        version: str = "1.0",
        *,
        files: Mapping[str, str] | None = None,
        requires: tuple[str, ...] = (),
        record: bool = True,
        direct_url: str = "",
    ) -> Path:
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        head = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {r}" for r in requires)]
        written = {f"{info}/METADATA": "\n".join(["Metadata-Version: 2.1", *head, "", "About: it\n"])}
        if direct_url:
            written[f"{info}/direct_url.json"] = direct_url
        written |= files if files is not None else {f"{name.replace('-', '_')}/__init__.py": "ANSWER = 42\n"}
        for path, text in written.items():
            target = site / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text))
        if record:
            lines = [f"{path},,\n" for path in (*written, f"{info}/RECORD")]
            (site / info / "RECORD").write_text("".join(lines))
        return site

    return make


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An open registry, shared: each test uses repositories of its own."""
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def built(layout: Layout) -> Image:
    """An image of ours, with a package."""
    ref = build(make_spec(), make_capture(requirements=("six",)), layout).image
    return layout.get(ref)

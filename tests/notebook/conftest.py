"""A real shell, a real kernel and a real JupyterLab, each over a private executor."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from traitlets.config import Config

from nbfn import config, local, notebook
from nbfn.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

_CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --force-color-profile=srgb --hide-scrollbars"
)
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


def pictured(what: Locator, name: str) -> None:
    """Keep a screenshot of it; if it is drawn anew just then, of what came in its place."""
    from playwright.sync_api import Error

    ARTIFACTS.mkdir(exist_ok=True)
    for last in (*[False] * 20, True):
        try:
            what.screenshot(path=ARTIFACTS / f"{name}.png")
        except Error as error:
            if last or "not attached" not in str(error):
                raise
        else:
            return


def stop_executor(state: Path) -> None:
    """End the executor of ``state`` if one runs, and wait until it has."""
    settings = config.load({"NBFN_STATE": str(state)})
    endpoint = local.find(settings)
    if endpoint is None:
        return
    with endpoint.client() as client, contextlib.suppress(httpx.TransportError):  # it may just have ended
        client.post("/nbfn/v1/stop", params={"grace_s": 0})
    deadline = time.monotonic() + 20
    while (state / "executor.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture(scope="session")
def private() -> Iterator[dict[str, str]]:
    """Environment of a kernel of its own: private executor, IPython and Jupyter folders."""
    folder = Path(tempfile.mkdtemp(prefix="nbfn-n-"))
    keep = {
        key: value for key, value in os.environ.items() if not key.startswith(("NBFN_", "JUPYTER", "IPY"))
    }
    yield keep | {
        "HOME": str(folder),
        "NBFN_STATE": str(folder / "s"),
        "NBFN_LINGER_S": "2",
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }
    stop_executor(folder / "s")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shell(state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """An IPython with nbfn loaded, as in a terminal. Its executor is started by what needs one."""
    monkeypatch.setenv("NBFN_STATE", str(state))
    monkeypatch.setenv("NBFN_LINGER_S", "2")
    monkeypatch.setenv("IPYTHONDIR", str(state / "ipython"))
    main = sys.modules["__main__"]
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance(config=Config({"HistoryAccessor": {"enabled": False}}))
    made.run_line_magic("colors", "nocolor")
    notebook.load(made)
    yield made
    notebook.unload(made)
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main
    stop_executor(state)


@pytest.fixture(scope="session")
def run_cells(private: dict[str, str]) -> Callable[..., nbformat.NotebookNode]:
    """Run cells in a kernel of their own, headless; gives the notebook as it would be saved."""

    def run(*sources: str, allow_errors: bool = False) -> nbformat.NotebookNode:
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        client = NotebookClient(made, kernel_name="python3", timeout=90, allow_errors=allow_errors)
        return client.execute(env=private)

    return run


@dataclass(frozen=True)
class Lab:
    """A JupyterLab, and a browser to look at it with."""

    url: str
    token: str
    folder: Path
    browser: Browser
    pages: dict[str, Page] = field(default_factory=dict)

    def open(self, name: str, *cells: str, dark: bool = False, classic: bool = False) -> Page:
        """A new notebook with these cells, open and with its kernel ready; ``classic`` is Notebook 7."""
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        return self.show(name, made, dark=dark, classic=classic)

    def show(
        self,
        name: str,
        notebook: nbformat.NotebookNode,
        *,
        dark: bool = False,
        height: int = 1000,
        classic: bool = False,
    ) -> Page:
        """A notebook, open and with its kernel ready. Cells beyond ``height`` are not on the page."""
        nbformat.write(notebook, self.folder / f"{name}.ipynb")
        themes = Path(self.folder / "../settings/@jupyterlab/apputils-extension").resolve()
        (themes / "themes.jupyterlab-settings").write_text(
            json.dumps({"theme": "JupyterLab Dark" if dark else "JupyterLab Light"})
        )
        page = self.browser.new_page(viewport={"width": 1180, "height": height}, device_scale_factor=1.5)
        page.set_default_timeout(60_000)  # of a machine with too much to do
        place = "notebooks" if classic else "lab/tree"
        page.goto(f"{self.url}{place}/{name}.ipynb?token={self.token}&reset")
        self.pages[name] = page
        # The indicator says idle before there is a kernel, and a cell run then brings up a dialog.
        if classic:
            page.get_by_text("Kernel status: Idle").first.wait_for(state="attached", timeout=90_000)
        else:
            page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=90_000)
        self.idle(page)
        return page

    def end_kernels(self) -> None:
        """Shut down every kernel of this JupyterLab."""
        with httpx.Client(base_url=self.url, headers={"Authorization": f"token {self.token}"}) as client:
            for session in client.get("api/sessions").json():
                client.delete(f"api/sessions/{session['id']}").raise_for_status()

    def close(self) -> None:
        """Close every page; how each looked at last is kept in ``test-artifacts/``."""
        ARTIFACTS.mkdir(exist_ok=True)
        for name, page in self.pages.items():
            page.screenshot(path=ARTIFACTS / f"notebook-{name}.png")
            page.close()
        self.pages.clear()

    def run(self, page: Page, index: int, *, wait: bool = True) -> None:
        """Run one cell, by its place in the notebook, and wait until the kernel is idle again."""
        cell = page.locator(".jp-CodeCell").nth(index)
        prompt = cell.locator(".jp-InputPrompt")
        # A page that has only just opened drops the first keys.
        while prompt.filter(has_text="[ ]").count():
            cell.locator(".jp-InputArea-editor").click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(200)
        if wait:
            prompt.filter(has_text=re.compile(r"\[\d+\]")).wait_for()
            self.idle(page)

    def add(self, page: Page, source: str) -> None:
        """Write a cell below the last one, and run it."""
        cells = page.locator(".jp-CodeCell")
        count = cells.count()
        cells.last.locator(".jp-InputPrompt").click()  # command mode
        page.keyboard.press("b")
        cells.nth(count).wait_for()
        cells.nth(count).locator(".jp-InputArea-editor").click()
        page.keyboard.insert_text(source)
        self.run(page, count)

    @staticmethod
    def idle(page: Page, timeout_s: float = 60) -> None:
        page.wait_for_selector(
            ".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached", timeout=timeout_s * 1000
        )


@pytest.fixture
def lab(one_lab: Lab, private: dict[str, str]) -> Iterator[Lab]:
    """JupyterLab without any page open, over an executor without any function."""
    with Session(config.load(private)) as session:
        for each in session.target.list():
            session.target.remove(each.app, each.name)
    yield one_lab
    one_lab.close()


@pytest.fixture(scope="session")
def one_lab(private: dict[str, str]) -> Iterator[Lab]:
    """One JupyterLab for all browser tests, at an address of the shape of Binder's."""
    from playwright.sync_api import sync_playwright

    home = Path(private["HOME"])
    settings = home / "settings/@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews":"false","checkForUpdates":false}'
    )
    (home / "work").mkdir()
    log = (home / "lab.log").open("wb")
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
            "--ServerApp.port=0", "--IdentityProvider.token=tok", "--ServerApp.base_url=/user/nbfn/",
        ],
        cwd=home / "work",
        env=private,
        stdout=log,
        stderr=subprocess.STDOUT,
    )  # fmt: skip
    log.close()
    try:
        url = _address(home / "runtime" / f"jpserver-{server.pid}.json", server, home / "lab.log")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=_CHROMIUM.split()
            )
            yield Lab(url, "tok", home / "work", browser)
            browser.close()
    finally:
        server.terminate()
        server.wait(30)


def _address(note: Path, server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            return str(json.loads(note.read_text())["url"])
        except (OSError, ValueError):
            time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")

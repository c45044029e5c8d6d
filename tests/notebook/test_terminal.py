"""The ``ipython`` program on a terminal: a function deployed, called, interrupted, completed, and left."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from nbfn import local
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbfn.config import Settings

_STYLE = r"(?:\x1b\[[0-9;?]*[a-zA-Z])*"
NAP = """%%fn_deploy nap --memory 64
def nap(s):
    import time
    time.sleep(s)
    print("slept", s)
    return s * 2"""


class Prompt:
    """IPython's, on a terminal of its own. What was seen there comes back as plain text."""

    def __init__(self, settings: Settings, home: Path) -> None:
        env = {
            **os.environ,
            "NBFN_STATE": str(settings.state),
            "NBFN_LINGER_S": "2",
            "IPYTHONDIR": str(home),
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody answers where the cursor is
        }
        command = ["-m", "IPython", "--no-banner", "--no-confirm-exit"]
        self.process = pexpect.spawn(
            sys.executable, command, env=env, encoding="utf-8", dimensions=(40, 120), timeout=60
        )
        self.number = 1
        self.wait()

    def wait(self) -> str:
        """For the next prompt."""
        self.process.expect(rf"In \[{_STYLE}{self.number}{_STYLE}\]: ")
        return self.plain(self.process.before or "")

    def begin(self, cell: str) -> None:
        """Type the cell, as one paste, and have it run."""
        self.process.send(f"\x1b[200~{cell}\x1b[201~\x1b\r")
        self.number += 1

    def ask(self, cell: str) -> str:
        self.begin(cell)
        return self.wait()

    @staticmethod
    def plain(text: str) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "")


def states(settings: Settings) -> list[str]:
    """Of the instances of all functions, as the executor tells them."""
    endpoint = local.find(settings)
    assert endpoint is not None
    with endpoint.client() as client:
        apps = client.get("/v2/apps").json()["items"]
        fns = [
            fn for app in apps for fn in client.get("/v2/fns", params={"app_id": app["id"]}).json()["items"]
        ]
        told = [client.get(f"/nbfn/v1/fns/{fn['id']}/instances").json()["items"] for fn in fns]
    return [each["state"] for items in told for each in items]


@pytest.fixture
def prompt(settings: Settings, tmp_path: Path) -> Iterator[Prompt]:
    prompt = Prompt(settings, tmp_path)
    assert "Error" not in prompt.ask("%load_ext nbfn")
    yield prompt
    prompt.process.close(force=True)


def test_a_session_at_the_prompt(prompt: Prompt, settings: Settings) -> None:
    shown = prompt.ask(NAP)
    assert "nap · app notebook · 64 MB" in shown
    assert "the first call is cold" in shown
    shown = prompt.ask("nap(0.01)")
    assert "slept 0.01" in shown
    assert ": 0.02" in shown

    prompt.begin("nap(600)")
    until(lambda: "busy" in states(settings))
    prompt.process.sendintr()
    assert "KeyboardInterrupt" in prompt.wait()
    until(lambda: "busy" not in states(settings))
    assert ": 4" in prompt.ask("nap(2)"), "the prompt goes on"

    shown = prompt.ask("list(nap.map([0.4] * 4, concurrency=1))")
    assert "[0.8, 0.8, 0.8, 0.8]" in shown
    assert re.search(r"\[[█░]{24}\] nap: calls, \d of 4", shown), "a bar while it takes long, on one line"

    shown = prompt.ask("nap(None)")
    assert "TypeError: 'NoneType' object" in shown
    assert "nbfn/" not in shown
    shown = prompt.ask("%fn_logs nothing")
    assert "NotFound: " in shown
    assert "Traceback" not in shown

    prompt.process.send("%fn_da\t")
    prompt.process.expect("shboard")  # what was typed may be drawn already, and is then not drawn again
    prompt.process.sendintr()
    prompt.process.send("\x15exit\r")  # the line emptied first, should the interrupt have left any of it
    prompt.process.expect(pexpect.EOF)
    prompt.process.close()
    assert prompt.process.exitstatus == 0
    until(lambda: local.find(settings) is None)  # it goes when its last user has gone

"""The interrupt button of a real kernel: the call is stopped, its instance too, and the kernel goes on."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

from nbfn import config
from nbfn.session import Session
from tests.session import running
from tests.until import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

CELL = """
import os, time, nbfn

@nbfn.function
def wait(a, quick=0):
    if a < quick:
        return a
    print("begun")
    time.sleep(600)

@nbfn.function
def count():
    yield 1
    print("begun", flush=True)
    time.sleep(600)

@nbfn.function
def add(a):
    return a + 1

add(1)
"""


class Kernel:
    """A kernel, and a second session over its executor that sees what runs there."""

    def __init__(
        self, manager: KernelManager, client: BlockingKernelClient, session: Session, env: dict[str, str]
    ) -> None:
        self.env = env
        self.manager = manager
        self.client = client
        self.session = session

    def run(self, code: str) -> dict[str, Any]:
        """The reply to a cell."""
        reply: dict[str, Any] = self.client.execute_interactive(code, timeout=120, output_hook=lambda _: None)
        return reply["content"]  # type: ignore[no-any-return]

    @contextmanager
    def another(self) -> Iterator[Kernel]:
        """A second kernel over the same executor."""
        manager, client = start_new_kernel(kernel_name="python3", env=self.env)
        try:
            yield Kernel(manager, client, self.session, self.env)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    def interrupted(self, name: str, code: str) -> dict[str, Any]:
        """The reply to a cell that is interrupted while function ``name`` runs."""
        message_id = self.client.execute(code)
        until(lambda: "begun" in self._output(name))
        self.manager.interrupt_kernel()
        while True:
            reply = self.client.get_shell_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message_id:
                content: dict[str, Any] = reply["content"]
                return content

    def value(self, expression: str) -> object:
        reply = self.client.execute("", user_expressions={"x": expression}, reply=True, timeout=60)
        return reply["content"]["user_expressions"]["x"]["data"]["text/plain"]

    def gone(self, name: str) -> None:
        """Returns once the function has no instance any more."""
        fn_id = self._fn_id(name)
        until(lambda: not self.session.ask(lambda target: target.instances(fn_id)))

    def _output(self, name: str) -> str:
        fn_id = self._fn_id(name)
        if fn_id is None:
            return ""
        return "".join(line.text for line in self.session.ask(lambda target: target.logs(fn_id)))

    def _fn_id(self, name: str) -> str | None:
        held = self.session.ask(lambda target: target.list("notebook"))
        return next((each.id for each in held if each.name == name), None)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    state = Path(tempfile.mkdtemp(prefix="nbfn-t-"))
    settings = config.load({"NBFN_STATE": str(state), "NBFN_LINGER_S": "2"})
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("NBFN_", "IPY"))}
    env = keep | {"NBFN_STATE": str(state), "NBFN_LINGER_S": "2", "IPYTHONDIR": str(state / "ipython")}
    manager, client = start_new_kernel(kernel_name="python3", env=env)
    try:
        with closing(Session(settings)) as session:
            made = Kernel(manager, client, session, env)
            assert made.run(CELL)["status"] == "ok"
            yield made
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        running.stop(settings)
        shutil.rmtree(state, ignore_errors=True)


def test_a_call(kernel: Kernel) -> None:
    reply = kernel.interrupted("wait", "wait(1)")
    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    kernel.gone("wait")
    assert kernel.value("add(1)") == "2"


def test_a_stream(kernel: Kernel) -> None:
    kernel.run("got = []")
    reply = kernel.interrupted("count", "for each in count(): got.append(each)")
    assert reply["ename"] == "KeyboardInterrupt"
    kernel.gone("count")
    assert kernel.value("add(2)") == "3"


def test_a_map_keeps_what_was_done(kernel: Kernel) -> None:
    kernel.run("wait = nbfn.function(wait.__wrapped__, name='wait-many')")
    reply = kernel.interrupted(
        "wait-many", "mapped = wait.starmap([(at, 3) for at in range(9)], concurrency=1)\nlist(mapped)"
    )
    assert reply["ename"] == "KeyboardInterrupt"
    kernel.gone("wait-many")
    assert kernel.value("mapped.results") == "{0: 0, 1: 1, 2: 2}"
    assert kernel.value("add(3)") == "4"


def test_another_kernel_finds_a_call_by_its_id(kernel: Kernel) -> None:
    kernel.run("spawned = add.spawn(4)\nspawned.result(60)\nhanging = wait.spawn(1)")
    ids = [str(kernel.value(f"{name}.id")).strip("'") for name in ("spawned", "hanging")]
    until(lambda: kernel.value("hanging.status") == "'running'")
    with kernel.another() as other:
        assert other.run(f"import nbfn\na, b = map(nbfn.call, {ids})")["status"] == "ok"
        assert other.value("a.status") == "'done'"
        until(lambda: other.value("b.status") == "'running'")
        assert other.value("b.cancel()") == "True"
    until(lambda: kernel.value("hanging.status") == "'cancelled'")
    kernel.gone("wait")


def test_help_and_completion_are_those_of_the_function(kernel: Kernel) -> None:
    kernel.run('@nbfn.function\ndef told(first: int, *, other: str = "x") -> int:\n    "What it is for."')
    shown = kernel.client.inspect("told(", 5, reply=True, timeout=60)["content"]["data"]["text/plain"]
    assert "first: 'int'" in shown or "first: int" in shown
    assert "What it is for." in shown
    completed = kernel.client.complete("told(oth", reply=True, timeout=60)["content"]["matches"]
    assert "other=" in completed
    assert "starmap" in str(kernel.client.complete("told.star", reply=True, timeout=60)["content"]["matches"])

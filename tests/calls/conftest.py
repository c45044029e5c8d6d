"""Deployed functions of a notebook, for every test of ways to call them: one executor for all of a module."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from nbfn import config
from nbfn import session as sessions
from nbfn.function import Function, function
from nbfn.session import Session
from tests.session import running
from tests.session.notebook import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CELL = """
    import asyncio
    import os
    import time

    def add(a: int, b: int = 1) -> int:
        print(f"adding {a}")
        return a + b

    def fail(a):
        if a == 3:
            raise LookupError(f"no {a}")
        return a

    def wait(a=0):
        print("begun")
        time.sleep(600)

    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return a + 1

    def count(n: int, fail: bool = False):
        print("counting")
        for number in range(n):
            yield number
        if fail:
            raise LookupError("no more")

    def hold():
        print("begun")
        yield 1
        time.sleep(600)

    async def acount(n: int):
        for number in range(n):
            await asyncio.sleep(0)
            yield number

    def die():
        print("dying")
        os._exit(7)
"""


class Lab:
    """A notebook whose functions are deployed when they are first asked for."""

    def __init__(self, session: Session, notebook: Notebook) -> None:
        self.session = session
        self._notebook = notebook
        self._made: dict[str, Function[..., Any]] = {}

    def __getitem__(self, name: str) -> Function[..., Any]:
        if name not in self._made:
            self._made[name] = self.made(name)
        return self._made[name]

    def made(self, which: str, **options: Any) -> Function[..., Any]:
        return function(cast("Callable[..., Any]", self._notebook.namespace[which]), **options)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    state = Path(tempfile.mkdtemp(prefix="nbfn-t-"))
    settings = config.load({"NBFN_STATE": str(state), "NBFN_LINGER_S": "2"})
    notebook = Notebook()
    notebook.run(CELL)
    with Session(settings, notebook.cells, notebook.namespace) as session:
        sessions.use(session)
        yield Lab(session, notebook)
        running.stop(settings)
    shutil.rmtree(state, ignore_errors=True)

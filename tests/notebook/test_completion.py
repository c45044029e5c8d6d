"""Tab in the lines of magics, as kernels old and new are asked for it: names, and nothing of Python's."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.notebook.conftest import stop_executor
from tests.notebook.test_kernels import VERSIONS, kernel

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_client.asynchronous.client import AsyncKernelClient

pytestmark = [pytest.mark.needs("kernels"), pytest.mark.timeout(240)]

CELL = """%load_ext nbfn
import nbfn
@nbfn.function
def greet(name):
    return name
inspected = 1
"""


async def _asked(client: AsyncKernelClient, text: str) -> list[str]:
    """What the kernel offers at the end of ``text``, as it would then stand there."""
    reply: Any = client.complete(text, len(text), reply=True, timeout=60)
    content: dict[str, Any] = (await reply)["content"]
    start, end = content["cursor_start"], content["cursor_end"]
    return [f"{text[:start]}{match}{text[end:]}" for match in content["matches"]]


@VERSIONS
def test_a_kernel_completes_lines_of_magics(version: str, tmp_path: Path, state: Path) -> None:
    (tmp_path / "hello").mkdir()

    async def story() -> dict[str, list[str]]:
        manager = kernel(version, tmp_path)
        env = {**os.environ, "HOME": str(tmp_path), "NBFN_STATE": str(state), "NBFN_LINGER_S": "2"}
        await manager.start_kernel(env=env, cwd=str(tmp_path))
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            for code in (CELL, "%fn create app shop\n%fn create app shore"):
                ran = await client.execute(code, reply=True, timeout=60)
                assert ran["content"]["status"] == "ok", ran["content"]
            lines = (
                *("%fn ", "%fn inspect app ", "%fn inspect app sho", "%fn inspect app nosuch", "fn use "),
                *(
                    "%fn deploy he",
                    "x = 1\n%fn li",
                    "%fn_show ",
                    "%fn_show --",
                    "%fn create app --wait-for-state =",
                ),
                *("%%fn invoke sho", "%%fn invoke shop f\nimp", "inspect", "%fn deploy --app s"),
            )
            return {line: await _asked(client, line) for line in lines}
        finally:
            client.stop_channels()
            await manager.shutdown_kernel(now=True)

    found = asyncio.run(story())
    stop_executor(state)
    commands = [each.removeprefix("%fn ") for each in found["%fn "]]
    assert {"deploy", "invoke", "list"} <= set(commands)
    assert not {"import", "print", "inspected", "greet", "and"} & set(commands)
    assert found["%fn inspect app "] == ["%fn inspect app shop", "%fn inspect app shore"]
    assert found["%fn inspect app sho"] == found["%fn inspect app "]
    assert found["%fn inspect app nosuch"] == ["%fn inspect app nosuch"], "it stays as it is"
    assert found["fn use "] == ["fn use context"]
    assert found["%fn deploy he"] == ["%fn deploy hello/"]
    assert found["x = 1\n%fn li"] == ["x = 1\n%fn list"]
    assert found["%fn_show "][0] == "%fn_show greet"
    assert all(each.startswith("%fn_show --") for each in found["%fn_show --"])
    assert found["%fn create app --wait-for-state ="] == ["%fn create app --wait-for-state ="]
    assert found["%%fn invoke sho"] == ["%%fn invoke shop", "%%fn invoke shore"]
    assert any(each.endswith("import") for each in found["%%fn invoke shop f\nimp"]), "a body is no line"
    assert any(each == "inspected" for each in found["inspect"])
    assert found["%fn deploy --app s"] == ["%fn deploy --app shop", "%fn deploy --app shore"]

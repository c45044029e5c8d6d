"""An image as nbfn builds it, with the real runtime in it, in the sandbox at each tier."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.containerize import Layout, build
from nbfn.drivers import make_driver
from nbfn.spec import Capture, FunctionSpec, PythonVersion
from tests.drivers.rig import Output, make_request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

SOURCE = """\
import json
import os

def greet(name):
    print("greeting", name)
    with open("data/word.json") as file:
        return f"{json.load(file)} {name}, from {os.getcwd()}"
"""


async def post(socket: Path, body: bytes) -> tuple[str, bytes]:
    """The head and body of the answer."""
    reader, writer = await asyncio.open_unix_connection(socket)
    head = b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    writer.write(head % len(body) + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(
        int(line.split(":")[1]) for line in answer.split("\r\n") if line.lower().startswith("content-length:")
    )
    content = await reader.readexactly(length)
    writer.close()
    return answer, content


@pytest.mark.parametrize("tier", ["T0", "T1", "T2"])
async def test_a_built_image_runs(state: Path, tier: str) -> None:
    settings = config.load({"NBFN_STATE": str(state), "NBFN_TIER": tier})
    capture = Capture(
        "greet",
        "values",
        SOURCE,
        PythonVersion(*sys.version_info[:2]),
        files={"data/word.json": b'"hello"'},
    )
    built = build(FunctionSpec("greet", "test"), capture, Layout(settings.images))
    driver = make_driver(settings)
    output = Output()
    instance = await driver.start(make_request(built.image), output)
    head, body = await post(instance.socket, b'{"name": "you"}')
    assert head.startswith("HTTP/1.1 200 "), (head, body)
    where = json.loads(body).removeprefix("hello you, from ")
    assert where == "/function" if tier == "T2" else where.endswith("/function")
    assert f"Nbfn-Instance-Id: {instance.id}\r\n" in head
    await output.until("stdout", "greeting you\n")
    await driver.close()

"""What tests of drivers stand on: images that run ``actor.py``, requests, and calls to instances."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.containerize.image import LAYER_TYPE, Descriptor, Image, Layer
from nbfn.containerize.layers import Entry, write_tar
from nbfn.containerize.layout import Layout
from nbfn.drivers.base import StartRequest
from nbfn.drivers.sandbox import ground, interpreter
from nbfn.drivers.sandbox.confine import linux
from nbfn.drivers.sandbox.probe import probe
from nbfn.spec import ImageRef, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbfn.config import Settings
    from nbfn.drivers.base import Instance, OutputStream
    from nbfn.drivers.sandbox.ground import Ground

ACTOR = Path(__file__).with_name("actor.py").read_bytes()
HOST = str(sysconfig.get_config_var("SOABI"))
ENTRYPOINT = ("python3", "-S", "-B", "-m", "nbfn_runtime")
IN_THE_RUNTIMES_PLACE = {
    "opt/nbfn/nbfn_runtime/__init__.py": b"",
    "opt/nbfn/nbfn_runtime/__main__.py": b"from .start import run\n\nrun()\n",
    "opt/nbfn/nbfn_runtime/start.py": ACTOR,
}


def ground_of(settings: Settings) -> Ground:
    """Where the sandbox has its folders under these settings."""
    python = interpreter.base()
    return ground.find(settings, probe(python, settings.tier or "T2").tier, python)[0]


def rights_of(settings: Settings) -> str:
    """The capabilities of instances under these settings, as ``/proc/self/status`` shows them."""
    return f"{1 << linux.CAP_DAC_READ_SEARCH if ground_of(settings).search else 0:016x}"


def make_image(
    folder: Path,
    files: Mapping[str, bytes | Path] | None = None,
    *,
    host: str = HOST,
    entrypoint: tuple[str, ...] = ENTRYPOINT,
    env: Mapping[str, str] | None = None,
    below: Mapping[str, bytes | Path] | None = None,
    on: Image | None = None,
    volumes: tuple[str, ...] = (),
) -> ImageRef:
    """An image in the layout at ``folder``: the actor and ``below`` in one layer, ``files`` in another."""
    layout = Layout(folder)
    image = on or Image.empty({"os": "linux", "architecture": "amd64"})
    for content in (
        {**IN_THE_RUNTIMES_PLACE, **(below or {})},
        {"function/note.txt": b"a note", **(files or {})},
    ):
        tar = io.BytesIO()
        write_tar([_entry(path, data) for path, data in content.items()], tar.write)
        digest, size = layout.add(lambda sink, tar=tar: sink.write(tar.getvalue()), "a test's layer", 0)
        layer = Layer(Descriptor(LAYER_TYPE, digest, size), digest, layout.blob(digest))
        image = image.append(layer, created_by="a test")
    image = image.configured(
        env={"PYTHONPATH": "/opt/nbfn:/function:/python", **(env or {})},
        labels={"org.nbfn.host": host} if host else {},
        Entrypoint=list(entrypoint),
        WorkingDir="/function",
        User="1000:1000",
        **({"Volumes": {path: {} for path in volumes}} if volumes else {}),
    )
    return layout.put(image, "nbfn.local/test/actor")


def _entry(path: str, content: bytes | Path) -> Entry:
    return Entry.of(path, content) if isinstance(content, bytes) else Entry.copied(path, content)


def make_request(image: ImageRef, *, memory_mb: int = 256, network: bool = True, **env: str) -> StartRequest:
    """A request with an id of its own and ``env``."""
    limits = Limits(memory_mb=memory_mb)
    return StartRequest(secrets.token_hex(8), image, limits, env, network)


@dataclass(slots=True)
class Output:
    """Collects what an instance writes, and lets a test wait for it."""

    parts: list[tuple[OutputStream, bytes]] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, stream: OutputStream, data: bytes) -> None:
        self.parts.append((stream, data))
        self._more.set()

    def text(self, stream: OutputStream) -> str:
        return b"".join(data for name, data in self.parts if name == stream).decode()

    async def until(self, stream: OutputStream, wanted: str) -> None:
        while wanted not in self.text(stream):
            self._more.clear()
            await self._more.wait()


async def call(instance: Instance, act: str, *args: object) -> object:
    """What the actor answers; raises ConnectionError or IncompleteReadError if it ends meanwhile."""
    reader, writer = await asyncio.open_unix_connection(instance.socket)
    try:
        body = json.dumps({"act": act, "args": args}).encode()
        writer.write(
            b"POST /call HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return json.loads(await reader.readexactly(length))
    finally:
        writer.close()


async def call_that_ends_it(instance: Instance, act: str, *args: object) -> None:
    """A call whose answer never comes."""
    try:
        answer = await call(instance, act, *args)
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    raise AssertionError(f"it answered {answer!r}")

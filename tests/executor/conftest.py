"""An executor in the test's own loop: all of it but the process, over the fake driver and real sockets."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from nbfn.drivers import FakeDriver, Guarded
from nbfn.drivers.fake import Script
from nbfn.executor.assembly import Assembly, assembled
from nbfn.executor.listen import Listener, bound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from nbfn.config import Settings

TOKEN = "a-token-for-tests-only"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True, slots=True)
class Running:
    """The executor, the driver's script, and a client that has the token."""

    settings: Settings
    parts: Assembly
    driver: FakeDriver
    script: Script
    client: httpx.AsyncClient
    stopped_with: list[float | None]

    async def deploy(self, name: str = "greet", *, app: str = "shop", **more: object) -> str:
        """The id of a new function."""
        apps = (await self.client.get("/v2/apps", params={"name": app})).json()["items"]
        app_id = apps[0]["id"] if apps else (await self.post("/v2/apps", {"name": app}))["id"]
        made = await self.post("/v2/fns", {"name": name, "app_id": app_id, "image": "it:1", **more})
        return str(made["id"])

    async def post(self, path: str, document: object) -> dict[str, Any]:
        response = await self.client.post(path, json=document)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def invoke(self, fn_id: str, body: bytes = b"", **headers: str) -> httpx.Response:
        return await self.client.post(f"/invoke/{fn_id}", content=body, headers=headers)

    async def items(self, path: str, **params: str) -> list[dict[str, Any]]:
        response = await self.client.get(path, params=params)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()["items"]
        return found

    def kinds(self) -> list[str]:
        return [event.kind for event in self.parts.events.after(0, 10_000)]

    async def happened(self, kind: str, count: int = 1) -> None:
        """Returns once ``count`` events of this kind have been."""
        seq = 0
        while self.kinds().count(kind) < count:
            seq = self.parts.events.last
            await self.parts.events.newer(seq)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection."""
        return await asyncio.open_unix_connection(str(self.settings.socket))


@asynccontextmanager
async def running(settings: Settings, script: Script | None = None) -> AsyncIterator[Running]:
    script = script or Script()
    driver = FakeDriver(settings.run, script)
    stopping, stopped_with = asyncio.Event(), []
    with bound(settings.socket, "127.0.0.1", None) as sockets:
        async with assembled(
            settings,
            Guarded(driver),
            token=TOKEN,
            note={"pid": 1, "version": "test"},
            stop=stopped_with.append,
            stopping=stopping,
        ) as parts:
            listener = Listener(parts.app)
            await listener.start(sockets)
            transport = httpx.AsyncHTTPTransport(uds=str(settings.socket), limits=httpx.Limits())
            async with httpx.AsyncClient(
                base_url="http://localhost",
                transport=transport,
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=60,
            ) as client:
                try:
                    yield Running(settings, parts, driver, script, client, stopped_with)
                finally:
                    stopping.set()
                    await parts.pool.close(0)
                    await listener.close()


@pytest.fixture
def executor(settings: Settings) -> Callable[..., AbstractAsyncContextManager[Running]]:
    """``async with executor(script) as running``."""
    return lambda script=None, **more: running(_with(settings, **more), script)


def _with(settings: Settings, **more: object) -> Settings:
    from dataclasses import replace

    return replace(settings, **more)


def request_bytes(fn_id: str, body: bytes, *lines: str) -> bytes:
    """A raw invocation, with the token."""
    head = [
        f"POST /invoke/{fn_id} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    return "\r\n".join([*head, "", ""]).encode() + body

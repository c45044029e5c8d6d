"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from nbfn.executor.guard import Guard

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"


async def _inside(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


async def ask(headers: dict[str, str], *, host: str = "127.0.0.1") -> httpx.Response:
    guard = Guard(_inside, token=TOKEN, token_file=Path("/s/token"), host=host)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://localhost") as client:
        return await client.get("/", headers=headers)


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8080",
        "LOCALHOST",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.8.9.1",
        "[::1]",
        "[::1]:80",
    ],
)
async def test_names_of_this_machine_are_ours(host: str) -> None:
    assert (await ask({**bearer(), "Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80@evil.example",
        "10.0.0.1", "[::2]", "0.0.0.0", "localhost:http", "[::1", "a localhost", "",
    ],
)  # fmt: skip
async def test_any_other_name_is_refused_even_with_the_token(host: str) -> None:
    response = await ask({**bearer(), "Host": host})
    assert response.status_code == 421
    assert "use localhost" in response.json()["message"]


async def test_the_listeners_own_address_is_ours_and_a_wildcard_takes_addresses_but_no_names() -> None:
    assert (await ask({**bearer(), "Host": "10.1.2.3:80"}, host="10.1.2.3")).status_code == 200
    assert (await ask({**bearer(), "Host": "10.1.2.3:80"}, host="0.0.0.0")).status_code == 200
    assert (await ask({**bearer(), "Host": "evil.example"}, host="0.0.0.0")).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), bearer(TOKEN[:-1]), bearer(TOKEN + "x"), {"Authorization": TOKEN},
     {"Authorization": f"Basic {TOKEN}"}],
)  # fmt: skip
async def test_without_the_token_nobody_is_let_in_and_is_told_what_to_do(headers: dict[str, str]) -> None:
    response = await ask(headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "/s/token" in response.json()["message"]
    assert TOKEN not in response.text


async def test_the_scheme_is_read_as_http_reads_it() -> None:
    assert (await ask({"Authorization": f"bearer {TOKEN}"})).status_code == 200


async def test_there_is_no_word_of_cors() -> None:
    response = await ask({**bearer(), "Origin": "https://evil.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_headers_without_end_are_refused() -> None:
    response = await ask({**bearer(), "X-Long": "x" * 70_000})
    assert response.status_code == 431

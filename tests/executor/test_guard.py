"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbfn.executor.guard import Guard

TOKEN = "0123456789abcdef"


def ask(headers: dict[str, str], *, host: str = "127.0.0.1") -> int:
    """The status: 200 if it is let in."""
    return (refusal(headers, host=host) or (200, ""))[0]


def refusal(headers: dict[str, str], *, host: str = "127.0.0.1") -> tuple[int, str] | None:
    guard = Guard(token=TOKEN, token_file=Path("/s/token"), host=host)
    name, token = headers.get("Host", "localhost"), headers.get("Authorization", "")
    return guard.refusal(name.encode(), token.encode())


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
def test_names_of_this_machine_are_ours(host: str) -> None:
    assert ask({**bearer(), "Host": host}) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80@evil.example",
        "10.0.0.1", "[::2]", "0.0.0.0", "localhost:http", "[::1", "a localhost", "",
    ],
)  # fmt: skip
def test_any_other_name_is_refused_even_with_the_token(host: str) -> None:
    refused = refusal({**bearer(), "Host": host})
    assert refused is not None
    status, message = refused
    assert status == 421
    assert "use localhost" in message


def test_the_listeners_own_address_is_ours_and_a_wildcard_takes_addresses_but_no_names() -> None:
    assert ask({**bearer(), "Host": "10.1.2.3:80"}, host="10.1.2.3") == 200
    assert ask({**bearer(), "Host": "10.1.2.3:80"}, host="0.0.0.0") == 200
    assert ask({**bearer(), "Host": "evil.example"}, host="0.0.0.0") == 421


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), bearer(""), bearer(TOKEN[:-1]), bearer(TOKEN + "x"), {"Authorization": TOKEN},
     {"Authorization": f"Basic {TOKEN}"}],
)  # fmt: skip
def test_without_the_token_nobody_is_let_in_and_is_told_what_to_do(headers: dict[str, str]) -> None:
    refused = refusal(headers)
    assert refused is not None
    status, message = refused
    assert status == 401
    assert "/s/token" in message
    assert TOKEN not in message


def test_the_scheme_is_read_as_http_reads_it() -> None:
    assert ask({"Authorization": f"bearer {TOKEN}"}) == 200

"""Must type-check: a remote function has the signature of the Python one."""

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import nbfn
from nbfn import Call, Mapped, Stream, deploy, function
from nbfn.spec import CallResult


@nbfn.function
def plain(name: str, times: int = 1) -> list[str]:
    return [name] * times


@nbfn.function(memory=512, timeout=10, min_instances=1, max_instances=4, config={"A": "b"}, requires=["x"])
def with_options(x: float) -> float:
    return x


assert_type(plain("a", times=2), list[str])
assert_type(plain.remote("a"), list[str])
assert_type(plain.local("a"), list[str])
assert_type(with_options(1.5), float)
assert_type(plain.last, CallResult | None)
assert_type(plain.source, str)


def later(x: int) -> int:
    return x


assert_type(deploy(later)(1), int)
assert_type(deploy(later, name="other", memory=64)(1), int)
assert_type(function(later, app="lab").deploy(force=True)(1), int)
for line in plain.logs():
    assert_type(line.text, str)


@nbfn.function
async def fetch(url: str, tries: int = 1) -> bytes:
    return url.encode() * tries


@nbfn.function
def count(n: int) -> Iterator[int]:
    yield from range(n)


@nbfn.function
async def acount(n: int) -> AsyncIterator[int]:
    for number in range(n):
        yield number


@nbfn.function(retries=3, idempotent=True)
def add(a: int, b: int) -> int:
    return a + b


async def awaiting() -> None:
    assert_type(await fetch("a", tries=2), bytes)
    assert_type(await fetch.aio("a"), bytes)
    assert_type(await plain.aio("a", times=2), list[str])
    assert_type(await plain.spawn("a"), list[str])
    async for number in acount(3):
        assert_type(number, int)
    async for number in count.stream(3):
        assert_type(number, int)


assert_type(fetch.remote("a"), bytes)
assert_type(plain.spawn("a", times=2), Call[list[str]])
assert_type(plain.spawn("a").result(1.5), list[str])
assert_type(plain.spawn("a").details, CallResult | None)
assert_type(fetch.spawn("a"), Call[bytes])
assert_type(count(3), Iterator[int])
assert_type(count.stream(3), Stream[int])
assert_type(acount.stream(3), Stream[int])
assert_type(list(count.stream(3)), list[int])
assert_type(plain.map(["a", "b"], concurrency=2, ordered=False), Mapped[list[str]])
assert_type(fetch.map(["a"]), Mapped[bytes])
assert_type(add.map([1, 2], [3, 4]), Mapped[int])
assert_type(add.starmap([(1, 2)], return_exceptions=True), Mapped[int])
assert_type(list(plain.map(["a"])), list[list[str]])

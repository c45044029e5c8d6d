"""Must type-check: a remote function has the signature of the Python one."""

from typing import assert_type

import nbfn
from nbfn import deploy, function
from nbfn.spec import CallResult


@nbfn.function
def plain(name: str, times: int = 1) -> list[str]:
    return [name] * times


@nbfn.function(memory=512, timeout=10, config={"A": "b"}, requires=["numpy"])
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

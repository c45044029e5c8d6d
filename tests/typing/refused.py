"""Must not type-check: each line marked with a word of the error, which the test looks for."""

import nbfn


@nbfn.function
def plain(name: str, times: int = 1) -> list[str]:
    return [name] * times


plain(1)  # expect: incompatible type "int"; expected "str"
plain()  # expect: Missing positional argument "name"
plain("a", many=2)  # expect: Unexpected keyword argument "many"
plain.local("a", 2, 3)  # expect: Too many arguments for "local"
number: int = plain("a")  # expect: Incompatible types in assignment
plain.capture = "x"  # expect: Incompatible types in assignment
print(plain.nothing)  # expect: has no attribute "nothing"


@nbfn.function(memory="512")  # expect: No overload variant of "function" matches argument type "str"
def with_options(x: float) -> float:
    return x


@nbfn.function(memroy=512)  # expect: Unexpected keyword argument "memroy"
def misspelt(x: float) -> float:
    return x


nbfn.deploy("plain")  # expect: incompatible type "str"


@nbfn.function
def count(n: int) -> list[int]:
    return list(range(n))


plain.spawn(1)  # expect: "spawn" of "Calling" has incompatible type "int"
plain.map(1)  # expect: incompatible type "int"
plain.stream("a")  # expect: Invalid self argument
wrong: nbfn.Call[int] = plain.spawn("a")  # expect: Incompatible types in assignment
count.map([1], concurrncy=2)  # expect: concurrncy

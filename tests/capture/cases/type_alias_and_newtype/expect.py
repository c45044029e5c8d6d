from typing import Literal, NewType, Union

UserId = NewType("UserId", int)
Level = Literal["low", "high"]
Either = Union[int, str]


def greet(user: UserId, level: Level = "low", other: Either = 1):
    return UserId(user)

from typing import Literal, NewType, Union
UserId = NewType("UserId", int)
Level = Literal["low", "high"]
Either = Union[int, str]
low = object()

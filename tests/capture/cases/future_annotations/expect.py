from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Node:
    value: int
    next: Node | None = None
    other: Missing | None = None

    def push(self, value: int) -> Node:
        return Node(value, self)


def greet(v: int) -> int:
    return Node(v).push(2).next.value

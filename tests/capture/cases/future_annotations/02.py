def greet(v: int) -> int:
    return Node(v).push(2).next.value

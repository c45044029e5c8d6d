def greet(n):
    return leaf.v, isinstance(leaf, KINDS[0]), KINDS[0](n).v

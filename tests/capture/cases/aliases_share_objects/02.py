def greet(x):
    stack.append(x)
    return same, also(x), also is first

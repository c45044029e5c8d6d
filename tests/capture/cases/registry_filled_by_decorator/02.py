def greet(x):
    return [STEPS[name](x) for name in sorted(STEPS)], len(ORDER)

STEPS = {}
ORDER = []


def step(f):
    STEPS[f.__name__] = f
    ORDER.append(f)
    return f


@step
def first(x):
    return x + 1


@step
def second(x):
    return x * 2


ORDER[:] = [first, second]
STEPS.update({"first": first, "second": second})


def greet(x):
    return [STEPS[name](x) for name in sorted(STEPS)], len(ORDER)

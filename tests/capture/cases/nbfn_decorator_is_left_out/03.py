@nbfn.function
def greet(x):
    local = getattr(rate, "local", rate), getattr(twice, "local", twice)
    return [each(x) for each in local]

import nbfn

@nbfn.function
def rate(x):
    return x * 2

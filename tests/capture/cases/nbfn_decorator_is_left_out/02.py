@nbfn.function(
    name="rate",
    memory=128,
)
def rate(x):
    return x * 2

@function
@functools.cache
def twice(x):
    return 2 * x

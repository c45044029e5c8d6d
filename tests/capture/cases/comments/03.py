# the target
#
# of two lines
def greet(n):
    return n * RATE & MASK, HALF, TABLE, LATER, label(n), Row.n, a, b, math.floor(n)

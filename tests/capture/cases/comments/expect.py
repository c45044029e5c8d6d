import math

# how much
# each one gets
RATE = 1_000  # per cent
MASK = 0x1F  # bits
HALF = 0.5  # computed
TABLE = {  # by colour
    "red": 1,  # first
    "blue": 2,
}
LATER = 4  # grew
a = 1
b = 2


# says it
@staticmethod
# in words
def label(x):
    # inside
    return f"{x}"  # text


# a record
class Row:
    n = 1  # one


# the target
#
# of two lines
def greet(n):
    return n * RATE & MASK, HALF, TABLE, LATER, label(n), Row.n, a, b, math.floor(n)

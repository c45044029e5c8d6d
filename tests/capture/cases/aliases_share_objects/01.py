stack = []
same = stack
def first(x):
    return x
also = first

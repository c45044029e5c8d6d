def greet(x):
    return helper(x)

def helper(x):
    return zzz_unknown

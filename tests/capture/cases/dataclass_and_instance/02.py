def helper(v):
    return v * v

def helper():
    return "old"

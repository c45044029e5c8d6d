def keep():
    return "old"


def helper():
    return "new"


def greet():
    return keep(), helper()

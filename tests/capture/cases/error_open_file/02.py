def helper():
    return log.name

def greet(n):
    if HAS:
        return not_there_either.run()
    return codec.dumps(fast(n)), tomllib.loads("a = 1"), len(Table())

RATE = 3

def kit():
    # twice, then
    # the rate
    def rated(x):
        """Of one."""
        return f"""{2 * x * RATE}
    as it is"""
    def fact(n):
        return n * fact(n - 1) if n else 1
    if RATE:
        def deeper(x):
            return [x for _ in range(2)]
    return rated, fact, (lambda x: x + RATE), deeper

rated, fact, plus, deeper = kit()

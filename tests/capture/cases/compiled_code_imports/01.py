def counter(start):
    def step():
        nonlocal start
        import packaging.version
        try:
            import not_there_at_all
        except ImportError:
            not_there_at_all = None
        def inner():
            from numpy import linalg
            return linalg.norm([3, 4])
        start += 1
        return start, str(packaging.version.Version("1.0")), float(inner()), not_there_at_all
    return step

tick = counter(5)

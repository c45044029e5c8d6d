scope = {"__name__": "__main__"}
exec("def odd(n):\n    import not_there_at_all\n    return n % 2", scope)
odd = scope["odd"]

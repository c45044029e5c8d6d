scope = {"__name__": "__main__"}
exec("def odd(n): return n % 2", scope)
odd = scope["odd"]

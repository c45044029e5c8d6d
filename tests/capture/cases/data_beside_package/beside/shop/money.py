def amount(text): return int(text)

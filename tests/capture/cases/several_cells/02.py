RATE = 0.2
NAMES = ["a", "b"]

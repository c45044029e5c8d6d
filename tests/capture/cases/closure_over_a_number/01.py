RATE = 2

def double(x):
    return x * RATE

def make(factor):
    def scaled(x):
        return double(x) * factor
    return scaled

greet = make(10)

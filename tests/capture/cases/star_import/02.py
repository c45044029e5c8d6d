def greet(n):
    return floor(sqrt(n)), area(), SIDE, list(chain([1], [2])), round(pi, 3)

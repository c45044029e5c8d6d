__all__ = ["area", "SIDE"]
SIDE = 4

def area():
    return SIDE * SIDE

class Box:
    size = 2
    colour = "red"


def greet():
    return Box.size, Box.colour

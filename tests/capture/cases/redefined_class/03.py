def greet():
    return Box.size, Box.colour

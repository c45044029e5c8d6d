class Box:
    size = 2
    colour = "red"

class Box:
    size = 1

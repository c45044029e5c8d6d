class Point:
    x = 2

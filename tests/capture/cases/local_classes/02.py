def greet(n):
    return Base().area(), Point(n).y, origin.x, FAVOURITE.name

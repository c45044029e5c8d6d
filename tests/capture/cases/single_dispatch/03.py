def greet(r):
    return area(Circle(r)), area(r), area("")

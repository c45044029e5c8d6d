def greet(x):
    return square(x), cube(x), two(x), kept(x), TABLE["neg"](x), TABLE["twice"](x), TABLE["max"](x, 1)

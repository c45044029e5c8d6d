def greet(x):
    pritn(x)

def greet():
    display(1)

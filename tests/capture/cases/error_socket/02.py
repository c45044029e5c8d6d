def greet():
    return line.recv(1)

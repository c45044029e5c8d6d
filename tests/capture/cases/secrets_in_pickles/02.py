def greet():
    return str(client.key), str(step()[1])

import data

def greet():
    return data.VALUE

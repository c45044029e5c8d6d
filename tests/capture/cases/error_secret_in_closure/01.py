def make(token):
    def inner():
        return token
    return inner
greet = make("sk-1")

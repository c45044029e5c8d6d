import nbfn

class Client:
    def __init__(self, key):
        self.key = key

client = Client(nbfn.Secret("sk-hidden-1"))

def counter(secret):
    calls = 0
    def step():
        nonlocal calls
        calls += 1
        return calls, secret
    return step

step = counter(client.key)

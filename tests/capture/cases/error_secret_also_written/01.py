from nbfn import Secret

API_KEY = Secret("sk-hidden-1")

def greet():
    # try it with sk-hidden-1
    return API_KEY

from nbfn import Secret

key = Secret("sk-hidden-1", name="KEY")
other = Secret("sk-hidden-2", name="KEY")

def greet():
    return key, other

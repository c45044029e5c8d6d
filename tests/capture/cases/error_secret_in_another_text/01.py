from nbfn import Secret

API_KEY = Secret("sk-hidden-1")
HEADERS = {"Authorization": f"Bearer {API_KEY}"}

def greet():
    return HEADERS

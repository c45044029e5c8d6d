import nbfn

API_KEY = nbfn.Secret("sk-hidden-1")  # of the service
token = nbfn.Secret("sk-hidden-2", name="SERVICE_TOKEN")
conf = {"url": "https://example.org", "password": nbfn.Secret("sk-\nhidden-3")}
KEYS = [API_KEY, token]

def client(secret):
    return lambda: secret

login = client(nbfn.Secret("sk-hidden-4"))
os = "taken"

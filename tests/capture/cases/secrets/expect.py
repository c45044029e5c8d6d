import os as _nbfn_os

API_KEY = _nbfn_os.environ["API_KEY"]
token = _nbfn_os.environ["SERVICE_TOKEN"]
conf = {
    "url": "https://example.org",
    "password": _nbfn_os.environ["CONF_PASSWORD"],
}
KEYS = [_nbfn_os.environ["API_KEY"], _nbfn_os.environ["SERVICE_TOKEN"]]
os = "taken"


def _make_login(secret):
    return lambda: secret


login = _make_login(secret=_nbfn_os.environ["LOGIN_SECRET"])


def greet(key=API_KEY):
    return [str(each) for each in (key, token, conf["password"], *KEYS, login())], os

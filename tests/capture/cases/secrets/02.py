def greet(key=API_KEY):
    return [str(each) for each in (key, token, conf["password"], *KEYS, login())], os

def greet():
    return API_KEY

def greet():
    return page.data

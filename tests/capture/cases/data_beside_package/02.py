def greet(name):
    return shop.price(name), amount("4"), shop.blob()

import shop
from shop.money import amount


def greet(name):
    return shop.price(name), amount("4"), shop.blob()

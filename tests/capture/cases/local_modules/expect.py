import helpers
import shop.units
from shop import price_of, tax as vat


def greet(item):
    return helpers.shout(item), price_of(item), vat, shop.units.GRAM

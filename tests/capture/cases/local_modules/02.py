def greet(item):
    return helpers.shout(item), price_of(item), vat, shop.units.GRAM

import helpers
from shop import price_of, tax as vat
import shop.units

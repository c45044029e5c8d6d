import shop
from shop.money import amount

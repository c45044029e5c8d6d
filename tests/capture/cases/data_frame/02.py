def greet(item):
    return prices.set_index("item").loc[item, "price"].item()

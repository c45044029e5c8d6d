def greet(name="world"):
    # say it
    return f"hello {name}"  # politely

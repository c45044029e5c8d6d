async def greet(x):
    return await fetch(x)

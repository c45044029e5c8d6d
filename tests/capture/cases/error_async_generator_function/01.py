async def greet(n):
    yield n

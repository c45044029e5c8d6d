async def numbers():
    yield 1

lines = numbers()

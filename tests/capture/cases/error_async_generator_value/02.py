async def greet():
    return [line async for line in lines]

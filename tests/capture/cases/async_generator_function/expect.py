import asyncio


async def greet(n):
    for number in range(n):
        await asyncio.sleep(0)
        yield number

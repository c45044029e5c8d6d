import asyncio

class Model:
    def __init__(self, k):
        self.k = k

def serving(model, *, rows):
    async def greet(n: int) -> int:
        """Asks the model."""
        await asyncio.sleep(0)
        return model.k * n + sum(rows)
    return greet

greet = serving(Model(3), rows=range(4))

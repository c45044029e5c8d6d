from pathlib import Path

import cloudpickle

_DATA = Path(__file__).parent / "data"

# odd has no source text, so it travels as compiled code
odd = cloudpickle.loads((_DATA / "odd.pickle").read_bytes())


def greet(n):
    return odd(n)

from pathlib import Path

import cloudpickle

_DATA = Path(__file__).parent / "data"

# helper closes over 'f', so it travels as compiled code
helper = cloudpickle.loads((_DATA / "helper.pickle").read_bytes())


def greet(n):
    return helper(n)

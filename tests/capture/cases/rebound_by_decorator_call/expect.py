import sys
from pathlib import Path

import cloudpickle

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"

# helper closes over 'f', so it travels as compiled code
helper = cloudpickle.loads((_DATA / "helper.pickle").read_bytes())


def greet(n):
    return helper(n)

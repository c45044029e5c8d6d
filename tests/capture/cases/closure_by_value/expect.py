import sys
from pathlib import Path

import cloudpickle

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"

RATE = 2


def double(x):
    return x * RATE


# greet closes over 'factor', so it travels as compiled code
greet = cloudpickle.loads((_DATA / "greet.pickle").read_bytes())

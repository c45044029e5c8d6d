import pickle
import sys
from pathlib import Path

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"


class Scaler:
    """Scales."""

    count = 0

    def __init__(self, factor):
        self.factor = factor

    # of one
    def scale(self, n):
        return n * self.factor + self.offset()

    @staticmethod
    def offset():
        return 1

    @classmethod
    def make(cls, factor):
        return cls(factor)

    @property
    def double(self):
        return 2 * self.factor


scaler = pickle.loads((_DATA / "scaler.pickle").read_bytes())
scale = scaler.scale
offset = Scaler.offset
make = Scaler.make
plain = Scaler.scale


def greet(n):
    return scale(n), offset(), make(2).double, plain(scaler, n)

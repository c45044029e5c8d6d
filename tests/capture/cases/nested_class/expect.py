import pickle
import sys
from pathlib import Path

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"


class Tree:
    class Leaf:
        def __init__(self, v):
            self.v = v


leaf = pickle.loads((_DATA / "leaf.pickle").read_bytes())
KINDS = pickle.loads((_DATA / "KINDS.pickle").read_bytes())


def greet(n):
    return leaf.v, isinstance(leaf, KINDS[0]), KINDS[0](n).v

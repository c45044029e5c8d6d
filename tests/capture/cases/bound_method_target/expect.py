import pickle
import sys
from pathlib import Path

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"


class Model:
    def __init__(self, k):
        self.k = k

    def predict(self, x):
        return self.k * x


model = pickle.loads((_DATA / "model.pickle").read_bytes())
greet = model.predict

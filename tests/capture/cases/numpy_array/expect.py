import pickle
from pathlib import Path

import numpy as np
from numpy import float32 as kind

_DATA = Path(__file__).parent / "data"

weights = pickle.loads((_DATA / "weights.pickle").read_bytes())
scale = np.float64(0.5)


def greet(row):
    return (weights[row] * scale).astype(kind).sum().item(), np.random.default_rng(1).integers(10).item(), np.linalg.norm([3, 4]).item()

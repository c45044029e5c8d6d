import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.modules.setdefault("func", sys.modules[__name__])  # the pickles say func.X
_DATA = Path(__file__).parent / "data"


def helper(v):
    return v * v


@dataclass(frozen=True)
class Point:
    """A place."""
    x: int
    y: int = 2  # up
    tags: list[str] = field(default_factory=list)

    def norm(self):
        return helper(self.x) + self.y


origin = pickle.loads((_DATA / "origin.pickle").read_bytes())
shapes = pickle.loads((_DATA / "shapes.pickle").read_bytes())


def greet(x):
    return origin.norm(), Point(x, 1), shapes["o"] is not None, sorted(shapes["kinds"])

import math
import os
from collections import Counter as Count, defaultdict

RATE = 0.2
NAMES = ["a", "b"]


def area(r):
    return math.pi * r ** 2


def greet(x):
    groups = defaultdict(list)
    groups["x"].append(area(x) * RATE)
    return dict(groups), Count(NAMES), os.path.join("a", "b")

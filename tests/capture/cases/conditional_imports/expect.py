import json as codec
import tomllib
from collections import OrderedDict as Table

HAS = False
not_there_either = None


def fast(x):
    return x


def greet(n):
    if HAS:
        return not_there_either.run()
    return codec.dumps(fast(n)), tomllib.loads("a = 1"), len(Table())

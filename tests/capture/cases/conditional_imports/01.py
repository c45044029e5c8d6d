try:
    import orjson as codec
except ImportError:
    import json as codec
try:
    from not_there import fast
except ImportError:
    def fast(x):
        return x
try:
    import tomllib
except ModuleNotFoundError:
    tomllib = None
if True:
    from collections import OrderedDict as Table
else:
    from nowhere import Table
try:
    import not_there_either
except ImportError:
    not_there_either = None
HAS = not_there_either is not None

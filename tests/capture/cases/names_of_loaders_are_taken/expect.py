import datetime as json
import json as _nbfn_json
import pickle as _nbfn_pickle
from pathlib import Path as _nbfn_Path

_DATA = _nbfn_Path(__file__).parent / "data"

table = _nbfn_json.loads((_DATA / "table.json").read_text(encoding="utf-8"))
pairs = _nbfn_pickle.loads((_DATA / "pairs.pickle").read_bytes())
pickle = 3
Path = "p"


def greet(i):
    return table[i], pairs[(i, i)], pickle, Path, json.date(2026, 1, 1)

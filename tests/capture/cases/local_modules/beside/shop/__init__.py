import json
from pathlib import Path

tax = 0.2


def price_of(item):
    return json.loads((Path(__file__).parent / "prices.json").read_text())[item]

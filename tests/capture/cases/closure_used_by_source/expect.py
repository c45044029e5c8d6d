from pathlib import Path

import cloudpickle

_DATA = Path(__file__).parent / "data"

# tick closes over 'start', so it travels as compiled code
tick = cloudpickle.loads((_DATA / "tick.pickle").read_bytes())


def greet():
    return tick()

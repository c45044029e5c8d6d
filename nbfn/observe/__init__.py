"""What happened: the executor's events, the picture of a function that they make, and its output."""

from nbfn.observe.events import Observer, Subscription, subscribe
from nbfn.observe.logs import Logs
from nbfn.observe.timeline import (
    RESTARTED,
    CallPicture,
    FunctionPicture,
    InstancePicture,
    InstanceState,
    fold,
)

__all__ = [
    "RESTARTED",
    "CallPicture",
    "FunctionPicture",
    "InstancePicture",
    "InstanceState",
    "Logs",
    "Observer",
    "Subscription",
    "fold",
    "subscribe",
]

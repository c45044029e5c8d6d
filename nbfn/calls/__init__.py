"""Ways to call a function beside waiting for it: handles, maps, streams, and when to try again."""

from nbfn.calls.handle import Call, found
from nbfn.calls.mapping import Mapped
from nbfn.calls.retries import Retries
from nbfn.calls.stream import Stream

__all__ = ["Call", "Mapped", "Retries", "Stream", "found"]

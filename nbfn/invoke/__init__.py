"""FUNCTION → RESULT: the caller's half of a call, from arguments to a value or the function's exception."""

from nbfn.invoke.caller import Caller
from nbfn.invoke.context import CallContext

__all__ = ["CallContext", "Caller"]

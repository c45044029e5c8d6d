"""FUNCTION → RESULT: the caller's half of a call, from arguments to a value or the function's exception."""

from nbfn.invoke.caller import Caller, Terms
from nbfn.invoke.context import CallContext
from nbfn.invoke.post import Cancel, NotSent
from nbfn.invoke.stream import ResultStream

__all__ = ["CallContext", "Caller", "Cancel", "NotSent", "ResultStream", "Terms"]

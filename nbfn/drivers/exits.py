"""Words for how a process ended."""

from __future__ import annotations

import os
import signal

from nbfn.drivers.base import Exit


def from_status(status: int, *, over: str = "", out_of_memory: bool = False) -> Exit:
    """``status`` as ``waitpid`` gives it; ``over`` says which limit the driver killed it for."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Exit(None, number, over or f"killed by {signal_name(number)}", out_of_memory)
    code = os.waitstatus_to_exitcode(status)
    return Exit(code, None, over or f"exit code {code}", out_of_memory)


def signal_name(number: int) -> str:
    """``SIGSEGV``; ``signal 34`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(output: str) -> str:
    """The last line that says something: of a traceback, the exception."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")

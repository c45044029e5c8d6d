"""Words for how a process ended, and what to do about it. No I/O."""

from __future__ import annotations

import os
import re
import signal

from nbfn.drivers.base import Exit

_CRASH = "a crash in compiled code (a package's own, or ctypes): its log says in which line of Python"
_OF_SIGNALS = {
    "SIGSEGV": _CRASH,
    "SIGBUS": f"{_CRASH}; or a mapped file that became shorter",
    "SIGFPE": _CRASH,
    "SIGILL": "a package compiled for another processor: install one built for this machine",
    "SIGABRT": "compiled code gave up by itself: its last words are in the log",
    "SIGSYS": "it made a system call of another architecture, which the sandbox does not let pass",
    "SIGKILL": "nbfn did not send it: the function itself, what it started, or somebody outside did",
    "SIGTERM": "nbfn did not send it: the function itself, what it started, or somebody outside did",
    "SIGXFSZ": "it wrote a file larger than the sandbox allows (1 GiB)",
    "SIGPIPE": "it wrote to a connection that the other side had closed",
}
_OF_CODES = {
    0: "it ended its own process (os._exit, or exec of something that ended): return instead",
    126: "as a shell says it: a program that it ran is not executable here",
    127: "as a shell says it: a program that it ran is not in the image",
}
_OF_LAST_WORDS = (
    (
        r"cannot execute '(.*)': Exec format error",
        "{0} is for another kind of processor, or a script without #!",
    ),
    (
        r"cannot execute '(.*)': No such file",
        "{0}, or what it names after #! or as its loader, is not in the image: see its Entrypoint",
    ),
    (r"cannot execute '(.*)': Permission denied", "{0} is not executable for the image's user"),
    (r"cannot work in '(.*)': ", "it is the image's WorkingDir: make {0} in the image, for its user"),
    (
        r"ModuleNotFoundError: No module named '([^']+)'",
        "put {0} in the image: in requires=, or requirements.txt",
    ),
    (r"ImportError: cannot import name '([^']+)'", "the image has another version of that package: pin it"),
    (r"ImportError: (\S+): cannot open shared object file", "the image lacks the system library {0}"),
    (r"(SyntaxError|IndentationError|TabError): ", "the code in the image does not parse with its Python"),
    (r"MemoryError", "give the function more memory"),
    (r"PermissionError: .*'([^']+)'", "{0} is not for the function's user, or read-only: write to /tmp"),
    (r"OSError: \[Errno 30\].*'([^']+)'", "{0} is read-only there: write to /tmp"),
    (r"BlockingIOError: \[Errno 11\]", "it may have no more processes and threads"),
)


def from_status(status: int, *, over: str = "", out_of_memory: bool = False, hint: str = "") -> Exit:
    """``status`` as ``waitpid`` gives it; ``over`` says which limit it was killed for."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal_name(number)
        return Exit(
            None, number, over or f"killed by {name}", out_of_memory, hint or _OF_SIGNALS.get(name, "")
        )
    code = os.waitstatus_to_exitcode(status)
    return Exit(code, None, over or f"exit code {code}", out_of_memory, hint or _of_code(code))


def signal_name(number: int) -> str:
    """``SIGSEGV``; ``signal 34`` for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(output: str) -> str:
    """The last line that says something: of a traceback, the exception."""
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "")


def hint_of(last_words: str) -> str:
    """What to do about a program that ended with these words; empty if they are not known."""
    for pattern, hint in _OF_LAST_WORDS:
        if found := re.search(pattern, last_words):
            return hint.format(*found.groups())
    return ""


def _of_code(code: int) -> str:
    if code in _OF_CODES:
        return _OF_CODES[code]
    if 128 < code < 128 + signal.NSIG:
        return f"as a shell says it: a program that it ran was killed by {signal_name(code - 128)}"
    return ""

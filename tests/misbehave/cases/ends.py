"""Functions that end, or never do."""

from __future__ import annotations

from tests.misbehave.cases.case import LOST, NOT_STARTED, OF_MEMORY, SHORT, Case

ENDS = (
    Case(
        "exits",
        "ends its process in a call",
        "os._exit(3)",
        502,
        f"^{LOST}exit code 3$",
    ),
    Case(
        "exits-well",
        "ends its process with success",
        "os._exit(0)",
        502,
        f"^{LOST}exit code 0$",
        "return instead",
    ),
    Case(
        "leaves",
        "calls sys.exit",
        "sys.exit(5)",
        502,
        "^function failed: SystemExit: 5$",
    ),
    Case(
        "exits-at-import",
        "ends its process while it is imported",
        "return 1",
        502,
        f"{NOT_STARTED}exit code 4$",
        before="os._exit(4)",
        again=False,
    ),
    Case(
        "dies-at-import",
        "crashes while it is imported",
        "return 1",
        502,
        f"{NOT_STARTED}killed by SIGSEGV",
        "compiled code",
        before="os.kill(os.getpid(), 11)",
        again=False,
    ),
    Case(
        "lacks-a-module",
        "imports a module that is not there",
        "return 1",
        502,
        "^function failed: ModuleNotFoundError: No module named 'no_such_module'$",
        "requires=",
        before="import no_such_module",
        again=False,
    ),
    Case(
        "segfaults",
        "crashes",
        "ctypes.string_at(0)",
        502,
        f"^{LOST}killed by SIGSEGV$",
        "compiled code",
    ),
    Case(
        "aborts",
        "aborts",
        "os.abort()",
        502,
        f"^{LOST}killed by SIGABRT$",
        "gave up by itself",
    ),
    Case(
        "kills-itself",
        "kills itself",
        "os.kill(os.getpid(), 9); time.sleep(60)",
        502,
        f"^{LOST}killed by SIGKILL$",
        "nbfn did not send it",
    ),
    Case(
        "stops-itself",
        "stops itself (SIGSTOP)",
        "os.kill(os.getpid(), 19)",
        504,
        "^Timed out: ",
        limits=SHORT,
    ),
    Case(
        "never-answers",
        "never answers",
        "time.sleep(60)",
        504,
        "longer than its timeout of 1 s$",
        limits=SHORT,
    ),
    Case(
        "spins",
        "computes for ever",
        "while True: pass",
        504,
        "^Timed out: ",
        limits=SHORT,
    ),
    Case(
        "ignores-sigterm",
        "ignores SIGTERM, and never answers",
        """
        signal.signal(15, signal.SIG_IGN)
        while True: time.sleep(1)
        """,
        504,
        "^Timed out: ",
        limits=SHORT,
    ),
    Case(
        "recurses",
        "recurses without end",
        """
        def g(n): return g(n + 1)
        g(0)
        """,
        502,
        "^function failed: RecursionError: maximum recursion depth",
    ),
    Case(
        "recurses-deep",
        "recurses until the C stack is full",
        """
        sys.setrecursionlimit(10**9)
        class X:
            def __repr__(self): return repr(self)
        repr(X())
        """,
        502,
        f"^({LOST}killed by SIGSEGV|function failed: RecursionError|{OF_MEMORY})",
    ),
)

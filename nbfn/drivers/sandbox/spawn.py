"""Starting a supervisor: a fresh interpreter that gets its plan over a socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn.drivers.sandbox.plans import ID_VARIABLE
from nbfn.drivers.sandbox.supervisor import Spawned, Supervisor

if TYPE_CHECKING:
    from nbfn.drivers.sandbox.confine.plan import Plan
    from nbfn.drivers.sandbox.interpreter import Interpreter

_START = (
    "import sys; control = int(sys.argv[1]); sys.path.insert(0, sys.argv[2]); "
    "from confine import launch; launch.main(control)"
)


def spawn(plan: Plan, instance_id: str, interpreter: Interpreter) -> Supervisor:
    """Start a supervisor and send it ``plan`` (not as arguments: it holds the function's secrets).

    Raises:
        OSError: no process, no memory, no descriptors.
    """
    ours, theirs = socket.socketpair()
    stdout, stderr = os.pipe(), os.pipe()
    try:
        process = subprocess.Popen(
            [
                *(str(interpreter.executable), "-S", "-I", "-B", "-c", _START),
                *(str(theirs.fileno()), str(Path(__file__).parent)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=stdout[1],
            stderr=stderr[1],
            pass_fds=[theirs.fileno(), *plan["doors"]],
            env={ID_VARIABLE: instance_id},
            start_new_session=True,
            cwd="/",
        )
    except BaseException:
        ours.close()
        os.close(stdout[0])
        os.close(stderr[0])
        raise
    finally:
        theirs.close()
        os.close(stdout[1])
        os.close(stderr[1])
    with contextlib.suppress(OSError):  # it has died already, which its end tells
        ours.sendall(json.dumps(plan).encode() + b"\n")
    return Supervisor(Spawned(process), ours, stdout[0], stderr[0])

"""The name under which processes of an instance are found in ``/proc``, changed after a fork.

Processes are recognised by a variable of the environment that they *began* with. One that was forked
began with its zygote's, so what the kernel shows of it is written anew in place.
"""

from __future__ import annotations

import ctypes

LENGTH = 64
"""What a zygote's own mark must be long, for any other to fit in."""

_VARIABLE = b"NBFN_INSTANCE_ID="


class Mark:
    """Where this process's mark is in memory. Look it up before the environment is changed."""

    def __init__(self) -> None:
        self._address = 0
        item = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
        at = 0
        while address := item[at]:
            if ctypes.string_at(address, len(_VARIABLE)) == _VARIABLE:
                self._address = address + len(_VARIABLE)
            at += 1

    def set(self, name: str) -> None:
        """From here on this process, and what it forks, is marked ``name``."""
        if self._address:
            ctypes.memmove(self._address, name.encode()[:LENGTH].ljust(LENGTH, b"\0"), LENGTH)

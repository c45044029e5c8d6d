"""Compiles files in an interpreter of its own; run as a script by :mod:`nbfn.containerize.bytecode`.

What ``marshal`` writes depends on which strings the process happens to hold, so the bytes are only the
same each time if a fresh process makes them. Standard input: source path and name in the image in turn,
each ended by NUL. Standard output: for each, the length (4 bytes, little endian) and the marshalled
code; length 0 for what does not compile (packages carry templates and samples of broken code).
"""

from __future__ import annotations

import marshal
import sys
import warnings


def main() -> None:
    """Answer everything that is asked on standard input."""
    warnings.simplefilter("ignore")
    asked = sys.stdin.buffer.read().split(b"\0")[:-1]
    for source, name in zip(asked[::2], asked[1::2], strict=True):
        code = compiled(source, name)
        sys.stdout.buffer.write(len(code).to_bytes(4, "little") + code)
        sys.stdout.buffer.flush()


def compiled(source: bytes, name: bytes) -> bytes:
    """The marshalled code of the file ``source``, or nothing if it is not Python."""
    try:
        with open(source, "rb") as file:  # noqa: PTH123 - pathlib would double the start of this process
            text = file.read()
        return marshal.dumps(compile(text, name.decode(), "exec", dont_inherit=True, optimize=0))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return b""


if __name__ == "__main__":
    main()

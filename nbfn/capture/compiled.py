"""What compiled code imports when it runs, told from its instructions (pure).

For functions that have no text: the answer that :func:`nbfn.capture.imports.inner_imports` gives of source.
"""

from __future__ import annotations

import dis
import types
from typing import TYPE_CHECKING

from nbfn.capture.imports import CATCHES_IMPORT_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def imports_of_code(code: types.CodeType) -> Iterator[tuple[str, int, bool]]:
    """``(module, line, guarded)`` of every import in ``code`` and in the functions inside it.

    ``guarded`` imports may fail: they stand in a ``try`` that catches ImportError. Relative imports are left
    out.
    """
    steps = list(dis.get_instructions(code))
    guards = [(start, end) for start, end, handler in _tries(code) if _catches(steps, handler)]
    numbers: list[
        object
    ] = []  # the constants on the stack: an import finds its level below its list of names
    for step in steps:
        if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            numbers.append(step.argval)
        elif step.opname == "IMPORT_NAME":
            line = (step.positions.lineno if step.positions else None) or code.co_firstlineno
            if numbers[-2:][:1] == [0]:
                yield step.argval, line, any(start <= step.offset < end for start, end in guards)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from imports_of_code(inner)


def _tries(code: types.CodeType) -> Iterator[tuple[int, int, int]]:
    """``(start, end, handler)`` of the exception table, in offsets."""
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]
        yield entry.start, entry.end, entry.target


def _catches(steps: Sequence[dis.Instruction], handler: int) -> bool:
    """True if the handler at that offset takes an ImportError: by its name, a base's, or whatever comes."""
    begin = next((at for at, step in enumerate(steps) if step.offset == handler), len(steps))
    names: list[str] = []
    for step in steps[begin:]:
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.append(step.argval)
        elif step.opname == "CHECK_EXC_MATCH":
            if CATCHES_IMPORT_ERROR & set(names):
                return True
            names.clear()
        elif step.opname == "POP_TOP" and steps[begin + 1] is step:
            return True  # a bare ``except:``
        elif step.opname in ("RERAISE", "WITH_EXCEPT_START"):
            return False
    return False

"""CELL → CAPTURE: a live function made fit to travel, as source that a person can read.

:class:`Cells` remembers what the kernel executed, :func:`find_target` says which function of a cell is
meant, and :func:`capture` walks from that function over the live namespace. Imports become import lines,
functions and classes their source, plain values literals or JSON, other values pickles beside the code.
What cannot travel is refused with its name, its type, the cell that made it and the line that uses it.
"""

from __future__ import annotations

import inspect
import sys
import types
from typing import TYPE_CHECKING, Literal

from packaging.requirements import Requirement

from nbfn.capture.bindings import Import
from nbfn.capture.cells import CellInfo, Cells
from nbfn.capture.explain import type_name, with_article
from nbfn.capture.imports import written
from nbfn.capture.limits import written_in
from nbfn.capture.live import peel
from nbfn.capture.requirements import lacking, pinned
from nbfn.capture.source import arrange, render
from nbfn.capture.target import find_target
from nbfn.capture.walk import Walk
from nbfn.errors import CellError
from nbfn.secrets import Secret
from nbfn.spec import Capture, PythonVersion, Taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CellInfo", "Cells", "capture", "find_target"]


def capture(
    target: Callable[..., object],
    *,
    namespace: Mapping[str, object],
    cells: Cells | None = None,
    requires: Sequence[str] = (),
    fetch: bool = False,
) -> Capture:
    """``target`` with everything it uses of ``namespace``, as a :class:`~nbfn.spec.Capture`.

    ``cells`` makes classes of the notebook and imports readable and lets errors name cells; ``requires``
    adds PEP 508 requirements to those that the imports show. ``fetch``: where it will run, packages come as
    wheels, so what ``requires`` has need not be installed here, and the function may import it.

    Raises:
        CellError: ``target`` is not a function.
        CaptureError: something that it uses cannot travel.
        RequirementError: a package is not installed, or not in the version asked for, and is not fetched.
    """
    function = peel(target)
    handler = _handler(function, namespace)
    _check(function, handler)
    missing = lacking(requires) if fetch else []
    walk = Walk(namespace, Cells.over(namespace, cells), handler, function, fetched=bool(missing))
    walk.run()
    lines = {*walk.imports.values(), *map(Import, walk.submodules), *walk.loaders.imports(walk.loads)}
    source, spans = render(
        arrange(walk.pieces, handler),
        written(lines),
        preamble=walk.loaders.preamble(walk.loads),
        future=walk.future,
    )
    marked = {each.name or name: str(each) for name, each in namespace.items() if isinstance(each, Secret)}
    for variable, value in {**marked, **walk.secrets.config}.items():
        path = written_in(value, source, walk.files)
        if path is not None:
            holder = next((name for name, piece in walk.pieces.items() if value in piece.text), "")
            raise walk.explain.secret_written(variable, path, holder)
    requirements = pinned(walk.modules, requires, fetch=fetch)
    packages = [
        Taken(Requirement(text).name, "package", f"{text} (wheel)")
        if text in missing
        else Taken(text.partition("==")[0], "package", text.replace("==", " "))
        for text in requirements
    ]
    return Capture(
        handler=handler,
        style=_style(function),
        source=source,
        python=PythonVersion(*sys.version_info[:2]),
        files=dict(sorted(walk.files.items())),
        requirements=requirements,
        preload=tuple(sorted(walk.preload)),
        by_value=walk.by_value,
        pickles=walk.pickles,
        source_map=spans,
        taken=(*(walk.taken[name] for name in sorted(walk.taken)), *packages),
        left=tuple(walk.left[name] for name in sorted(walk.left) if name not in walk.taken),
        config=dict(sorted(walk.secrets.config.items())),
    )


def _handler(function: object, namespace: Mapping[str, object]) -> str:
    """The name of the target in func.py: its own, or else the one it is bound to."""
    name = getattr(function, "__name__", "")
    bound = [key for key, value in namespace.items() if peel(value) is function and not key.startswith("_")]
    if isinstance(name, str) and name.isidentifier() and (name in bound or not bound):
        return name
    return min(bound, default="function")


def _check(function: object, handler: str) -> None:
    if isinstance(function, type):
        raise CellError(
            f"{handler!r} is a class, not a function", hint="write a function that uses it, and deploy that"
        )
    if not callable(function):
        raise CellError(
            f"{handler!r} is {with_article(type_name(function))}, not a function",
            hint="write a function that returns it, and deploy that",
        )


def _style(function: object) -> Literal["values", "context"]:
    inner = inspect.unwrap(function) if isinstance(function, types.FunctionType) else function
    code = getattr(inner, "__code__", None)
    first_two = code.co_varnames[: min(code.co_argcount, 2)] if isinstance(code, types.CodeType) else ()
    return "context" if first_two == ("ctx", "data") else "values"

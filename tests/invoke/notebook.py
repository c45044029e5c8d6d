"""A notebook in small: a cell that was run, and the instance of the function that it became."""

from __future__ import annotations

import linecache
import textwrap
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nbfn.invoke import CallContext, Caller
from nbfn.spec import Deployment, FunctionSpec, ImageRef, SourceSpan
from nbfn.transport import Endpoint
from tests.runtime.instance import KEY, Instance, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbfn.invoke import ResultStream
    from nbfn.spec import CallResult

CELL = "/tmp/ipykernel_1/cell-3.py"
HEADER = "# made of a notebook\n\n"


def deployment(url: str = "http://localhost/call", key: bytes = KEY) -> Deployment:
    spec = FunctionSpec("greet", "notebook")
    return Deployment(spec, ImageRef("nbfn.local/notebook/greet"), "F", "A", url, "sha256:0", key)


def run_cell(source: str, filename: str = CELL) -> dict[str, object]:
    """The namespace after a cell was run, its text known to the line cache as IPython does it."""
    source = textwrap.dedent(source)
    namespace: dict[str, object] = {"__name__": "__main__"}
    exec(compile(source, filename, "exec"), namespace)
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    return namespace


def context_of(source: str, namespace: dict[str, object] | None = None) -> CallContext:
    """What a session makes of a cell: ``func.py`` is a header and the cell."""
    source = textwrap.dedent(source)
    namespace = run_cell(source) if namespace is None else namespace
    names = frozenset(name for name in namespace if not name.startswith("__"))
    first = HEADER.count("\n") + 1
    span = SourceSpan(first, first + source.count("\n"), CELL, 1)
    return CallContext(namespace, names, HEADER + source, (span,))


@dataclass
class Notebook:
    instance: Instance
    caller: Caller
    context: CallContext
    deployment: Deployment = field(default_factory=deployment)

    def call(self, *args: object, **kwargs: object) -> CallResult:
        return self.caller.call(self.deployment, args, kwargs, self.context)

    def stream(self, *args: object, **kwargs: object) -> ResultStream:
        return self.caller.stream(self.deployment, args, kwargs, self.context)

    def new(self, name: str, *args: object) -> object:
        """An object of a class of the notebook."""
        return self.context.namespace[name](*args)  # type: ignore[operator]


@contextmanager
def deployed(folder: Path, source: str, **options: object) -> Iterator[Notebook]:
    """A cell, run here and served there."""
    context = context_of(source)
    with (
        running(folder, context.source, **options) as instance,  # type: ignore[arg-type]
        closing(Caller(Endpoint("http://localhost", instance.socket))) as caller,
    ):
        yield Notebook(instance, caller, context)

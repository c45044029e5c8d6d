"""The function: ``nbfn.json`` says which, ``func.py`` holds it."""

from __future__ import annotations

import sys
from time import perf_counter

from .arguments import parameters_of
from .jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .arguments import Parameters

_SCHEMA = 1


class BadImage(Exception):
    """The image holds no function that could be served at all."""


class Function:
    """A function that was imported, or the reason why it could not be."""

    def __init__(
        self,
        handler: Callable[..., object] | None,
        *,
        file: str,
        style: str,
        import_ms: float,
        error: BaseException | None = None,
    ) -> None:
        self.file = file
        """Path of ``func.py``."""
        self.is_context_style = style == "context"
        self.import_ms = import_ms
        self.error = error
        self._handler = handler
        self.parameters: Parameters | None = parameters_of(handler) if handler else None

    @property
    def handler(self) -> Callable[..., object]:
        """The function.

        Raises:
            BaseException: what importing it raised.
        """
        if self._handler is None:
            raise self.error or BadImage("no function was loaded")
        return self._handler


def load(folder: str) -> Function:
    """Import the function in ``folder``. If that raises, the function holds the exception.

    Raises:
        BadImage: ``nbfn.json`` is missing or not understood.
    """
    entry = _read_entry(f"{folder}/nbfn.json")
    name, style = str(entry.get("handler")), str(entry.get("style", "values"))
    began = perf_counter()
    handler: Callable[..., object] | None = None
    failure: BaseException | None = None
    try:
        _check_python(entry)
        handler = _find(name)
    except BaseException as error:  # SystemExit too: an instance that only says why is worth more
        failure = error
    return Function(
        handler,
        file=f"{folder}/func.py",
        style=style,
        import_ms=(perf_counter() - began) * 1e3,
        error=failure,
    )


def _read_entry(path: str) -> dict[str, object]:
    try:
        with open(path, encoding="utf-8") as file:
            entry = loads(file.read())
    except (OSError, ValueError) as error:
        raise BadImage(f"{path} cannot be read: {error}") from None
    if not isinstance(entry, dict) or entry.get("schema") != _SCHEMA:
        raise BadImage(f"{path} is not of schema {_SCHEMA}: build the image with this version of nbfn")
    return entry


def _check_python(entry: dict[str, object]) -> None:
    # Code pickled by another minor version can crash the interpreter: it is not even touched.
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if entry.get("by_value") and entry.get("python") != here:
        raise ImportError(f"the function was pickled by Python {entry.get('python')}, and this is {here}")


def _find(name: str) -> Callable[..., object]:
    found: object = __import__("func")
    for part in name.split("."):
        found = getattr(found, part)
    if not callable(found):
        raise TypeError(f"{name!r} in func.py is a {type(found).__name__}, not a function")
    return found

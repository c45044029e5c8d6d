"""From a request's body to a function's arguments: decisions only, as ``docs/wire.md`` §2.1 tells them."""

from __future__ import annotations

from .errors import BadArguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_VARARGS, _VARKEYWORDS = 0x04, 0x08  # flags of a code object


class Parameters:
    """What a function takes. Read from its code object: ``inspect`` costs as much as a whole start."""

    __slots__ = ("any_keyword", "any_position", "by_keyword", "by_position", "raw", "required")

    def __init__(
        self,
        by_position: tuple[str, ...],
        by_keyword: tuple[str, ...],
        required: frozenset[str],
        *,
        any_position: bool = False,
        any_keyword: bool = False,
        raw: bool = False,
    ) -> None:
        self.by_position = by_position
        """Those that can be given by position, in order."""
        self.by_keyword = by_keyword
        """Those that can be given by name."""
        self.required = required
        self.any_position = any_position
        self.any_keyword = any_keyword
        self.raw = raw
        """True if it takes one value, annotated ``bytes``: the body as it came."""

    def __str__(self) -> str:
        names = [*self.by_position]
        names += ["*args"] if self.any_position else []
        names += [name for name in self.by_keyword if name not in self.by_position]
        names += ["**kwargs"] if self.any_keyword else []
        return ", ".join(name if name in self.required or "*" in name else f"{name}=..." for name in names)


def parameters_of(function: Callable[..., object]) -> Parameters:
    """The parameters of ``function``; of a callable that does not tell, any by position."""
    if type(function) is not type(parameters_of) or hasattr(function, "__wrapped__"):
        return _inspected(function)
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    keyword_only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    optional = {*positional[len(positional) - len(function.__defaults__ or ()) :]}
    optional.update(function.__kwdefaults__ or ())
    names = (*positional, *keyword_only)
    return Parameters(
        positional,
        names[code.co_posonlyargcount :],
        frozenset(names) - optional,
        any_position=bool(code.co_flags & _VARARGS),
        any_keyword=bool(code.co_flags & _VARKEYWORDS),
        raw=len(names) == 1 and _is_bytes(function, names[0]),
    )


def _inspected(function: Callable[..., object]) -> Parameters:
    import inspect

    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return Parameters((), (), frozenset(), any_position=True)
    kinds = {parameter.kind for parameter in found}
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return Parameters(
        tuple(p.name for p in named if p.kind != p.KEYWORD_ONLY),
        tuple(p.name for p in named if p.kind != p.POSITIONAL_ONLY),
        frozenset(p.name for p in named if p.default is p.empty),
        any_position=inspect.Parameter.VAR_POSITIONAL in kinds,
        any_keyword=inspect.Parameter.VAR_KEYWORD in kinds,
        raw=len(named) == 1 and named[0].annotation in (bytes, "bytes"),
    )


def _is_bytes(function: Callable[..., object], name: str) -> bool:
    try:
        return function.__annotations__.get(name) in (bytes, "bytes")
    except Exception:  # annotations are evaluated late from Python 3.14 on, and may name anything
        return False


def fit(parameters: Parameters, body: object) -> tuple[list[object], dict[str, object]]:
    """The arguments that a JSON value stands for.

    Raises:
        BadArguments: it cannot be made into arguments; the message names the parameters.
    """
    if isinstance(body, dict) and _fits_names(parameters, body):
        return [], body
    single = _single(parameters)
    if single:
        return ([body], {}) if single in parameters.by_position else ([], {single: body})
    if isinstance(body, list) and _fits_positions(parameters, len(body)):
        return body, {}
    raise BadArguments(f"the function takes ({parameters}), and the body is {_describe(body)}")


def fit_nothing(parameters: Parameters) -> None:
    """Check that the function can be called without arguments.

    Raises:
        BadArguments: it cannot.
    """
    if parameters.required:
        raise BadArguments(f"the function takes ({parameters}), and the body is empty")


def _fits_names(parameters: Parameters, body: dict[str, object]) -> bool:
    return parameters.required <= body.keys() and (
        parameters.any_keyword or body.keys() <= set(parameters.by_keyword)
    )


def _fits_positions(parameters: Parameters, count: int) -> bool:
    filled = set(parameters.by_position[:count])
    return parameters.required <= filled and (parameters.any_position or count == len(filled))


def _single(parameters: Parameters) -> str:
    """The name of the one value that the function takes, or ``""``."""
    if len(parameters.required) == 1:
        return next(iter(parameters.required))
    names = {*parameters.by_position, *parameters.by_keyword}
    return names.pop() if len(names) == 1 and not parameters.required else ""


def _describe(body: object) -> str:
    if isinstance(body, dict):
        keys = ", ".join(repr(key) for key in list(body)[:5])
        return f"an object with {keys}{', ...' if len(body) > 5 else ''}" if body else "an empty object"
    if isinstance(body, list):
        return f"a list of {len(body)}"
    kinds = {str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(body), "a number")

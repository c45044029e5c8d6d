"""Arguments checked against a signature, with Python's own words when they do not fit."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from nbfn.errors import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def check_arguments(
    name: str, signature: inspect.Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> None:
    """Does nothing if a function of this signature takes these arguments.

    Raises:
        ArgumentsError: it does not, in the words (and of the type, TypeError) that Python has for it.
    """
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentsError(_complaint(name, signature, args, kwargs) or str(error)) from None


def _complaint(
    name: str, signature: inspect.Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> str:
    """What Python says when an empty function of that signature is called so."""
    try:
        _empty_function(name, signature)(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return ""


def _empty_function(name: str, signature: inspect.Signature) -> Callable[..., None]:
    bare = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=parameter.default if parameter.default is inspect.Parameter.empty else None,
        )
        for parameter in signature.parameters.values()
    ]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    made: dict[str, Any] = {}
    # Only parameter names of an existing function get in here, and those are identifiers.
    exec(f"def stub{text}: pass", made)  # noqa: S102
    stub: Callable[..., None] = made["stub"]
    stub.__qualname__ = stub.__name__ = name
    return stub

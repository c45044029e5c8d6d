"""Values of a project's files, each read as what it should be or refused with its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput

if TYPE_CHECKING:
    from nbfn.yamlfile import Document, Key


def text(document: Document, *keys: Key) -> str:
    """A scalar as it is written, empty if there is none. Raises BadInput if it is no scalar."""
    value = _at(document, keys)
    if value is None:
        return ""
    if isinstance(value, Mapping | list):
        raise _refused(document, keys, "one value")
    found = document.text(*keys)
    return str(value) if found is None else found


def number(document: Document, *keys: Key) -> int | None:
    """A whole number, None if there is none. Raises BadInput if it is something else."""
    value = _at(document, keys)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _refused(document, keys, "a whole number")
    return int(value) or None  # 0 means "the default", as in Fn


def texts(document: Document, *keys: Key) -> dict[str, str]:
    """A mapping of texts (``config``). Raises BadInput if it is something else."""
    value = mapping(document, *keys)
    return {str(key): text(document, *keys, key) for key in value}


def mapping(document: Document, *keys: Key) -> Mapping[str, Any]:
    """A mapping, empty if there is none. Raises BadInput if it is something else."""
    value = _at(document, keys)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refused(document, keys, "'key: value' lines")
    return value


def items(document: Document, *keys: Key) -> list[Any]:
    """A list, empty if there is none. Raises BadInput if it is something else."""
    value = _at(document, keys)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _refused(document, keys, "a list")
    return value


def plain(value: object) -> Any:
    """``value`` without what YAML remembers of its form: fit to be sent as JSON."""
    match value:
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case None | bool():
            return value
        case int():
            return int(value)
        case float():
            return float(value)
        case _:
            return str(value)


def _at(document: Document, keys: tuple[Key, ...]) -> Any:
    value = document.data
    for key in keys:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _refused(document: Document, keys: tuple[Key, ...], wanted: str) -> BadInput:
    what = ".".join(map(str, keys))
    return BadInput(f"{document.where(*keys)}: {what} is not {wanted}", hint=f"give {what} {wanted}")

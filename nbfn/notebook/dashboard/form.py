"""A form made from a signature: a field for each parameter, with its default."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets as widgets

from nbfn.errors import BadInput
from nbfn.notebook.view import example_arguments

if TYPE_CHECKING:
    import inspect
    from collections.abc import Mapping, Sequence

FieldKind = Literal["int", "float", "bool", "text", "json"]
_KINDS: Mapping[str, FieldKind] = {"int": "int", "float": "float", "bool": "bool", "str": "text"}
_WHOLE = "arguments"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter. A ``json`` one is written as JSON; what is no JSON is taken as text."""

    name: str
    kind: FieldKind
    value: Any
    optional: bool
    """Left empty, it is not given at all."""


def fields(signature: inspect.Signature) -> Sequence[Field]:
    """A field for each parameter that can be given by name."""
    examples = example_arguments(signature)
    return [
        _field(parameter, examples.get(parameter.name))
        for parameter in signature.parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]


def _field(parameter: inspect.Parameter, example: object) -> Field:
    annotation, default = parameter.annotation, parameter.default
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    kind = _KINDS.get(name, "json")
    optional = default is not parameter.empty
    if kind == "json" and type(default).__name__ in _KINDS and annotation is parameter.empty:
        kind = _KINDS[type(default).__name__]
    if not optional:
        value = example
        return Field(parameter.name, kind, value if kind not in ("json", "text") else _written(value), False)
    if kind in ("int", "float", "bool") and type(default).__name__ in ("int", "float", "bool"):
        return Field(parameter.name, kind, default, True)
    if kind == "text" and isinstance(default, str):
        return Field(parameter.name, kind, default, False)
    return Field(parameter.name, "json", _written(default), True)


def _written(value: object) -> str:
    if value == "…":  # there is no example of what may be anything
        return ""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return ""  # left empty, it is the default


class Form:
    """The fields of one function as widgets; without a signature, one for a JSON object of them all."""

    def __init__(self, signature: inspect.Signature | None) -> None:
        self._fields = None if signature is None else list(fields(signature))
        if self._fields is None:
            self._inputs = {_WHOLE: _input(Field(_WHOLE, "json", "{}", True))}
        else:
            self._inputs = {field.name: _input(field) for field in self._fields}
        self.widget = widgets.Box(
            list(self._inputs.values()), layout=widgets.Layout(flex_flow="row wrap", grid_gap="4px 12px")
        )

    def __getitem__(self, name: str) -> Any:
        """The widget of a parameter."""
        return self._inputs[name]

    def arguments(self) -> dict[str, Any]:
        """What was written, by parameter.

        Raises:
            BadInput: a field that must be given is empty, or the whole is no JSON object.
        """
        if self._fields is None:
            return _object(self._inputs[_WHOLE].value)
        given = {}
        for field in self._fields:
            value = self._inputs[field.name].value
            if field.kind == "json":
                if not value.strip():
                    if field.optional:
                        continue
                    raise BadInput(f"{field.name} is empty", hint="write a value: JSON, or text as it is")
                value = _json_or_text(value)
            given[field.name] = value
        return given


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise BadInput(f"the arguments are not JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadInput("the arguments are no object", hint='write them so: {"name": value}')
    return found


def _json_or_text(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _input(field: Field) -> Any:
    layout = widgets.Layout(width="260px")
    look: dict[str, Any] = {
        "description": field.name,
        "layout": layout,
        "style": {"description_width": "initial"},
        "tooltip": f"{field.name}: {'JSON, or text as it is' if field.kind == 'json' else field.kind}",
    }
    match field.kind:
        case "int":
            return widgets.IntText(value=int(field.value), **look)
        case "float":
            return widgets.FloatText(value=float(field.value), **look)
        case "bool":
            return widgets.Checkbox(value=bool(field.value), indent=False, **look)
        case "text":
            return widgets.Text(value=str(field.value), **look)
    placeholder = "as by default" if field.optional else "JSON or text"
    return widgets.Text(value=field.value, placeholder=placeholder, **look)

"""Values that must not be seen: marked here, they travel as configuration, never in source or image."""

from __future__ import annotations

import re
from typing import Any

from nbfn import config
from nbfn.errors import BadInput

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("NBFN_", "FN_")


class Secret(str):
    """A text that a function may use and nobody should read.

    It is an ordinary ``str`` for whoever uses it; its repr hides it. Where captured code uses it, ``func.py``
    says ``os.environ["NAME"]``, and the value goes to the function's configuration.

    Args:
        value: the text itself.
        name: the environment variable that holds it in the function. By default the name of the Python
            variable, in capitals.

    Raises:
        BadInput: an empty value, or a name that no variable can have.
    """

    __slots__ = ("name",)
    name: str

    def __new__(cls, value: str, *, name: str = "") -> Secret:
        """See the class."""
        if not value or "\0" in value:
            what = "holds a NUL" if value else "is empty"
            raise BadInput(f"the secret {name or 'value'} {what}", hint="give it as a text")
        if name and (not _VARIABLE.fullmatch(name) or name.startswith(_OURS)):
            raise BadInput(
                f"{name!r} cannot name a secret",
                hint="use letters, digits and '_', as an environment variable has, and not NBFN_… or FN_…",
            )
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __repr__(self) -> str:
        return f"Secret(…, name={self.name!r})" if self.name else "Secret(…)"

    def __reduce__(self) -> tuple[Any, ...]:
        """As an argument of a call it is the text: what runs there need not know of nbfn."""
        return str, (str(self),)


def secret(name: str) -> Secret:
    """The :class:`Secret` in the environment variable ``name`` of this process, under the same name there.

    Raises:
        BadInput: there is none, or it is empty.
    """
    value = config.variable(name)
    if not value:
        raise BadInput(
            f"the environment has no {name}",
            hint=f"set it before the kernel starts, or use Secret(…, name={name!r})",
        )
    return Secret(value, name=name)

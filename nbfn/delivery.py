"""By which way a function's code gets to the server of a context: decided without asking anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from nbfn.errors import ImageError

if TYPE_CHECKING:
    from nbfn.contexts import Context
    from nbfn.spec import FunctionSpec

HOST = "host"
ELSEWHERE = "fn"
"""What stands for ``host`` where this machine's Python is not, as in any container: Fn's image of it."""

_REGISTRY = "`nbfn update context registry HOST/PREFIX` says where images go"


@dataclass(frozen=True, slots=True)
class Route:
    """A way, and what the image is built on."""

    way: Literal["here", "push", "code"]
    """``here``: the server reads images where they are built. ``push``: by way of a registry. ``code``: as an
    archive, without an image."""
    base: str


def route(context: Context, base: str, *, own: bool, name: str, driver: str = "") -> Route:
    """The way to the server of ``context`` for the function ``name`` that asks for ``base``.

    ``own`` is true if that server is this machine's executor, whose instances run by ``driver``.

    Raises:
        ImageError: there is none.
    """
    if own:
        contained = base == HOST and driver == "docker"
        return Route("here", ELSEWHERE if contained else base)
    if context.registry:
        return Route("push", ELSEWHERE if base == HOST else base)
    if context.is_oracle and base == HOST:
        return Route("code", base)
    where = f"{context.api_url or 'OCI Functions'} (context {context.name!r})"
    if base == HOST:
        raise ImageError(
            f"{name!r} cannot go to {where}: its image is for this machine's own Python and kept here, where "
            "that server cannot read it",
            hint=f"{_REGISTRY}, built on base {ELSEWHERE!r} then; or `nbfn use context default` goes back to "
            "this machine's executor",
        )
    without = (
        ", or deploy without a base: then the code alone goes, as an archive" if context.is_oracle else ""
    )
    raise ImageError(
        f"{name!r} cannot go to {where}: its image is built on {base}, and the context has no registry to "
        "send it to",
        hint=f"{_REGISTRY} (OCI: KEY.ocir.io/NAMESPACE/PREFIX){without}",
    )


def image_name(context: Context, name: str, tag: str) -> str:
    """What the image of the function ``name`` is called in the context's registry: ``REGISTRY/NAME:TAG``.

    A registry takes fewer letters in a name than Fn does, so others become ``-``.
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower())
    plain = re.sub(r"[._-]{2,}", "-", plain).strip("._-") or "function"
    return context.image_name(plain, tag)


def asked(spec: FunctionSpec, context: Context) -> dict[str, object]:
    """What ``spec`` asks of a server, in Fn's names."""
    limits = spec.limits
    body: dict[str, object] = {
        "memory": limits.memory_mb,
        "timeout": limits.timeout_s,
        "config": spec.config,
        "annotations": {**spec.annotations, **spec.scale.annotations()},
    }
    return body | ({"image": image_name(context, spec.name, "x")} if context.registry else {})

"""What a function ran before: its last revisions, how they differ, and going back to one. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nbfn.errors import BadInput
from nbfn.runtime.wire import KEY_VARIABLE
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    from nbfn.executor.objects import Fn

KEPT = 20
"""Revisions that are kept of each function, with the one that it runs."""

_RUNS = ("image", "memory", "timeout", "idle_timeout")
_OURS = "nbfn.org/"
"""Annotations that tell of the image go back with it; any other is about the function."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A function as it was deployed once. ``fn.updated_at`` says when."""

    number: int
    fn: Fn
    digest: str = ""
    """Of the image that its name meant then; empty if that is not in this machine's store of images."""
    restores: int = 0
    """The number of the revision that was gone back to; 0 if it was deployed."""


def same(one: Revision, fn: Fn, digest: str) -> bool:
    """True if ``fn``, its image being ``digest``, runs as ``one`` did."""
    return one.digest == digest and not differences(one.fn, fn)


def differences(old: Fn, new: Fn) -> list[str]:
    """What runs differently: ``image``, ``memory``, …, ``config.KEY``."""
    found = [name for name in _RUNS if getattr(old, name) != getattr(new, name)]
    keys = sorted({*old.config, *new.config} - {KEY_VARIABLE})
    return found + [f"config.{key}" for key in keys if old.config.get(key) != new.config.get(key)]


def back_to(kept: Revision, fn: Fn, now: str) -> Fn:
    """``fn`` running again what ``kept`` ran.

    The key that calls are sealed with stays: whoever calls it knows only that one.
    """
    config = {key: value for key, value in kept.fn.config.items() if key != KEY_VARIABLE}
    if KEY_VARIABLE in fn.config:
        config[KEY_VARIABLE] = fn.config[KEY_VARIABLE]
    others = {key: value for key, value in fn.annotations.items() if not key.startswith(_OURS)}
    ours = {key: value for key, value in kept.fn.annotations.items() if key.startswith(_OURS)}
    back = replace(
        fn,
        image=str(pinned(kept.fn.image, kept.digest)),
        memory=kept.fn.memory,
        timeout=kept.fn.timeout,
        idle_timeout=kept.fn.idle_timeout,
        config=config,
        annotations={**others, **ours},
    )
    return fn if back == fn else replace(back, updated_at=now)


def pinned(image: str, digest: str) -> ImageRef:
    """The image that a name meant when it was looked up: a name may come to mean another one."""
    try:
        found = ImageRef.parse(image)
    except BadInput:
        return ImageRef(image)  # Fn takes any text here: no driver will find such an image, and says so
    return replace(found, digest=digest) if digest else found


def documents(kept: list[Revision]) -> list[dict[str, object]]:
    """Revisions, newest first, as ``/nbfn/v1`` tells them: the first is what runs.

    Configuration is told by the names of what changed alone.
    """
    found = []
    for at, each in enumerate(kept):
        older = kept[at + 1] if at + 1 < len(kept) else None
        changed = differences(older.fn, each.fn) if older else []
        if older and older.digest != each.digest and "image" not in changed:
            changed.insert(0, "image")
        fn = each.fn
        found.append(
            {
                "number": each.number,
                "at": fn.updated_at,
                "current": at == 0,
                "image": fn.image,
                "digest": each.digest,
                "memory": fn.memory,
                "timeout": fn.timeout,
                "idle_timeout": fn.idle_timeout,
                "changed": changed,
                "restores": each.restores,
            }
        )
    return found

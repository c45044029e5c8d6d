"""The revisions of a function: what it ran before, as a list that reads as text."""

from __future__ import annotations

from dataclasses import dataclass

from nbfn.errors import BadInput
from nbfn.listing import Listing, columns


@dataclass(frozen=True, slots=True)
class FunctionRevision:
    """What a function ran from some moment on, as its target keeps it."""

    number: int
    at: str
    """When it was deployed, as RFC 3339 in UTC."""
    image: str
    digest: str
    """What the image's name meant then; empty if the target did not know."""
    memory_mb: int
    timeout_s: int
    idle_timeout_s: int
    changed: tuple[str, ...] = ()
    """What differs from the one before: ``image``, ``memory``, …, ``config.KEY``. Empty for the oldest."""
    current: bool = False
    """True for the one that runs now."""
    restores: int = 0
    """The number of the revision that was gone back to; 0 if it was deployed."""

    def cells(self) -> tuple[str, ...]:
        """As a row of a table, under :data:`HEADS`."""
        repository, _, digest = self.image.partition("@")
        image = (self.digest or digest).removeprefix("sha256:")[:12] or repository
        why = f"back to {self.restores}: " if self.restores else ""
        return (
            f"{self.number}{' *' if self.current else ''}",
            self.at[:19].replace("T", " "),
            image,
            f"{self.memory_mb} MB",
            f"{self.timeout_s} s",
            why + (", ".join(self.changed) or "-"),
        )


HEADS = ("revision", "deployed", "image", "memory", "timeout", "changed")


class Revisions(Listing[FunctionRevision]):
    """Newest first: the first is what runs. ``str`` of it is a table."""

    def before(self, number: int | None = None) -> FunctionRevision:
        """The revision ``number``; without one, the one before the current one.

        Raises:
            BadInput: there is none; says which there are.
        """
        numbers = ", ".join(str(each.number) for each in reversed(self))
        if number is None:
            if len(self) > 1:
                return self[1]
            raise BadInput("there is no earlier revision to go back to", hint=f"kept: {numbers or 'none'}")
        for each in self:
            if each.number == number:
                return each
        raise BadInput(f"there is no revision {number}", hint=f"kept: {numbers or 'none'}")

    def __str__(self) -> str:
        return columns([HEADS, *(each.cells() for each in self)])

"""What a build says while it goes on: its steps, their output, and why it failed. Pure."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nbfn.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LAST_LINES = 15
"""So many lines of a failed step's output are part of the error."""

_STEP = re.compile(r"step (\d+)/(\d+) ?: (.*)", re.IGNORECASE | re.DOTALL)
_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")
_CODE = re.compile(r"returned a non-zero code: (\d+)|exit status (\d+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# Of the daemon's own bookkeeping nobody wants to read.
_NOISE = re.compile(r" ?---> |Removing intermediate container|Successfully (built|tagged)|--> [0-9a-f]{6,}")
_UNHAD = ("pull access denied", "manifest unknown", "not found", "no such host", "lookup ", "dial tcp")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a build's log."""

    text: str
    kind: Literal["step", "output", "pull"]
    """``step`` begins one (``Step 2/5: RUN make``), ``pull`` tells of an image being fetched."""
    number: int = 0
    """Which step begins, from 1."""
    total: int = 0
    """How many steps there are."""


class BuildLog:
    """Understands the messages of a build, one after another."""

    def __init__(self) -> None:
        self.image_id = ""
        """Of what was built; empty until it is."""
        self.failed = ""
        """Why it failed, in the daemon's words."""
        self.step = ""
        """The step that is going on, as ``step 2/5 `RUN make```."""
        self._instruction = ""
        self._tail: deque[str] = deque(maxlen=LAST_LINES)
        self._rest = ""

    def feed(self, message: Mapping[str, Any]) -> Iterator[Line]:
        """The lines that are whole with ``message``."""
        if "error" in message:
            self.failed = str(message["error"]).strip()
        elif isinstance(aux := message.get("aux"), dict):
            self.image_id = str(aux.get("ID") or self.image_id)
        elif message.get("status"):
            yield from self._pulled(message)
        else:
            *whole, self._rest = (self._rest + str(message.get("stream") or "")).split("\n")
            for text in whole:
                yield from self._line(text)

    def end(self) -> Iterator[Line]:
        """The last line, if nothing ended it."""
        rest, self._rest = self._rest, ""
        if rest:
            yield from self._line(rest)

    def failure(self, what: str) -> BuildFailed:
        """The error that ends the build of ``what``."""
        output = tuple(self._tail)
        where = self.step or "the first step"
        code = _CODE.search(self.failed)
        if self._instruction.upper().startswith("FROM ") and any(x in self.failed for x in _UNHAD):
            return BuildFailed(
                f"{what}: the image of {where} cannot be had: {self.failed}",
                hint="`docker pull` it, make it, or name another one",
                step=self.step,
            )
        if code is not None:
            said = f"{what}: {where} ended with exit code {code[1] or code[2]}"
            said += "; the last lines of its output:" if output else ", and wrote nothing"
            return BuildFailed(
                "\n    ".join((said, *output)), step=self.step, output=output, code=int(code[1] or code[2])
            )
        return BuildFailed("\n    ".join((f"{what}: {where}: {self.failed}", *output)), step=self.step)

    def _line(self, text: str) -> Iterator[Line]:
        # What redraws itself (a bar) counts as it was last.
        plain = _COLOURS.sub("", text.rstrip("\r").rpartition("\r")[2]).rstrip()
        if found := _BUILT.search(plain):
            self.image_id = self.image_id or found[1]
        if step := _STEP.fullmatch(plain):
            self._instruction = step[3]
            self.step = f"step {step[1]}/{step[2]} `{step[3]}`"
            self._tail.clear()
            yield Line(f"Step {step[1]}/{step[2]}: {step[3]}", "step", int(step[1]), int(step[2]))
        elif plain and not _NOISE.match(plain):
            self._tail.append(plain)
            yield Line(plain, "output")

    def _pulled(self, message: Mapping[str, Any]) -> Iterator[Line]:
        """Of the many messages about an image, those that are no progress of a layer."""
        if not message.get("progressDetail") and not message.get("progress"):
            name = f"{message['id']}: " if message.get("id") else ""
            yield Line(f"{name}{message['status']}", "pull")

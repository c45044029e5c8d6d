"""What is said of something that takes its time: as words, as HTML, as a line of text. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from html import escape

_WORDS = {
    "capture": "reading what it uses",
    "wheels": "getting packages",
    "dependencies": "writing the packages",
    "runtime": "writing the runtime",
    "code": "writing the code",
    "compress": "compressing the image",
    "push": "sending the image",
    "upload": "sending the code",
    "pull": "getting the base image",
    "fetch": "getting the base image",
    "store": "storing the image",
    "load": "loading the image",
    "deploy": "deploying",
    "build": "building",
}
_IN_BYTES = frozenset(
    ("dependencies", "runtime", "code", "compress", "push", "upload", "pull", "store", "load")
)
# Nothing of these is there until all are: a share would stand at nothing, and then jump.
_ALL_AT_ONCE = frozenset(("wheels",))
_MB = 1_000_000
_CELLS = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """How far something is. Without a ``total`` nobody knows, and no share of it is claimed."""

    title: str
    what: str = ""
    done: int = 0
    total: int | None = None
    seconds: float = 0.0

    def told(self, what: str, done: int, total: int) -> Bar:
        """After its progress was told; a step that is done says nothing of the next one."""
        if total <= 0 or done >= total:
            return replace(self, what="deploy" if what != "capture" else what, done=0, total=None)
        return replace(self, what=what, done=max(done, 0), total=total)

    @property
    def share(self) -> float | None:
        """From 0 to 1."""
        known = self.total and self.what not in _ALL_AT_ONCE
        return min(self.done / self.total, 1.0) if self.total and known else None

    @property
    def words(self) -> str:
        """``greet: sending the image, 1.2 of 30.0 MB``."""
        step = _WORDS.get(self.what, self.what)
        title = f"{self.title}: " if self.title else ""
        return title + ", ".join(each for each in (step, self._amount) if each)

    @property
    def _amount(self) -> str:
        if self.what in _IN_BYTES and self.total:
            return f"{self.done / _MB:.1f} of {self.total / _MB:.1f} MB"
        if self.what == "build" and self.total:
            return f"step {self.done + 1:,} of {self.total:,}"
        if self.total and self.what not in _ALL_AT_ONCE:
            return f"{self.done:,} of {self.total:,}"
        if self.done:
            return f"{self.done:,}"
        return f"{self.seconds:.0f} s" if self.seconds >= 1 else ""


def html(bar: Bar) -> str:
    """A native bar, which follows the page's theme and is read out; with no share it only moves."""
    share = "" if bar.share is None else f' value="{bar.share:.3f}"'
    words = escape(bar.words)
    return (
        '<div class="nbfn-progress" style="display:flex;align-items:center;gap:8px;font-size:12px">'
        f'<progress max="1"{share} aria-label="{words}" style="width:160px"></progress>'
        f"<span>{words}</span></div>"
    )


def text(bar: Bar) -> str:
    """One line."""
    if bar.share is None:
        return f"{bar.words} …"
    full = int(bar.share * _CELLS)
    return f"[{'█' * full}{'░' * (_CELLS - full)}] {bar.words}"

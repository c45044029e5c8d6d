"""A push told in few lines, which read well in a terminal, a notebook and a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MB = 1_000_000
_QUARTERS = 4
_SAID = {"push": "Pushing the image", "upload": "Uploading the code"}


class Pushing:
    """A progress of :meth:`nbfn.session.Session.deploy` that tells ``say`` what goes to a registry or bucket.

    One line when it begins, one a quarter of the bytes, and one at the end; none is said twice.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = -1
        self._line = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in _SAID:
            return
        quarter = _QUARTERS * done // total if total else _QUARTERS
        if quarter == self._told:
            return
        self._told = quarter
        line = f"{_SAID[what]}: {done / _MB:.1f} of {total / _MB:.1f} MB"
        if line != self._line:  # the quarters of a small image are the same tenth of a megabyte
            self._line = line
            self._say(line)

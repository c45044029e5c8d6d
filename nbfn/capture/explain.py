"""The texts of refusals: the variable, its type, the cell that made it, the line that uses it, what to do."""

from __future__ import annotations

import builtins
import difflib
import linecache
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbfn.capture.limits import LARGE_BYTES, TOTAL_MAX_BYTES, VALUE_MAX_BYTES, readable_size, variable_of
from nbfn.errors import CaptureError, RequirementError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbfn.capture.cells import Cells

_OPEN_INSIDE = "open it inside the function"
_MAKE_INSIDE = "make it inside the function"
# By name along the class's bases, so that nothing is imported for it.
_HINTS = {
    "sqlite3.Connection": _OPEN_INSIDE,
    "sqlite3.Cursor": _OPEN_INSIDE,
    "_io._IOBase": _OPEN_INSIDE,
    "_socket.socket": _OPEN_INSIDE,
    "_thread.lock": _MAKE_INSIDE,
    "_thread.RLock": _MAKE_INSIDE,
    "threading.Thread": _MAKE_INSIDE,
    "builtins.generator": "make a list of it first",
    "builtins.async_generator": "make a list of it first",
    "builtins.module": "save it as a .py file beside the notebook and import it",
}


@dataclass(frozen=True, slots=True)
class Site:
    """Where captured code uses a name."""

    owner: str
    """The function, class or value that uses it."""
    filename: str = ""
    line: int = 0
    text: str = ""
    """The whole text of ``filename``, if it is at hand."""

    def line_text(self) -> str:
        """The line itself, without its indentation; empty if there is no text."""
        if self.text:
            lines = self.text.splitlines()
            return lines[self.line - 1].strip() if 0 < self.line <= len(lines) else ""
        return linecache.getline(self.filename, self.line).strip()


@dataclass(frozen=True, slots=True)
class Part:
    """What a name stands for that no cell binds: a part of ``owner``, whose value is ``whole``."""

    owner: str
    whole: object
    site: Site | None
    path: str
    """``.__closure__['rows']``"""


class Explainer:
    """Makes the errors of one capture, with what is known of its cells."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self.parts: dict[str, Part] = {}
        """By the names that func.py gives them."""

    def made_in(self, name: str) -> str:
        """``cell 4``; empty if no known cell made it."""
        while name in self.parts:
            name = self.parts[name].owner
        cell = self._cells.made(name)
        return cell.label if cell else ""

    def note(self, name: str, size: int = 0) -> str:
        """What a person should know about a thing that was taken; mostly nothing."""
        notes = []
        cells = dict.fromkeys(cell.label for cell in self._cells.changed(name))
        if cells:
            notes.append(f"value at deploy time; {' and '.join(cells)} changed it")
        if size >= LARGE_BYTES:
            notes.append(
                f"{readable_size(size)} in the image; pass it, or load it inside, if it changes often"
            )
        return "; ".join(notes)

    def place(self, site: Site) -> str:
        """``cell 6, line 3``, or the file."""
        cell = self._cells.of_file(site.filename)
        where = cell.label if cell else "" if site.filename.startswith("<") else site.filename
        if "ipykernel_" in where or not where:  # a temporary path with the kernel's process id
            where = "its cell"
        return f"{where}, line {site.line}" if site.line else ""

    def unfit(
        self,
        name: str,
        value: object,
        site: Site | None,
        *,
        path: str = "",
        part: object = None,
        error: Exception | None = None,
    ) -> CaptureError:
        """``value`` cannot be pickled, because of ``part`` at ``path`` in it; ``error`` says why."""
        if name in self.parts:
            whole = self.parts[name]
            path = whole.owner + whole.path + path.removeprefix(name)
            part = value if part is None else part
            return self.unfit(whole.owner, whole.whole, whole.site, path=path, part=part, error=error)
        if path and path != name and not _known_hint(value):  # a thread is enough said; not its lock
            what = f"holds {with_article(type_name(part))} at {path}, which cannot travel{_reason(error)}"
            return self.refused(name, value, site, what, _hint(part, inner=True))
        made = self.made_in(name)
        what = f"{name!r} is {with_article(type_name(value))}, " + (f"made in {made}, " if made else "")
        what += f"and cannot travel{_reason(error)}" if made else f"which cannot travel{_reason(error)}"
        return self._error(what, name, value, site, hint=_hint(value, inner=False))

    def refused(self, name: str, value: object, site: Site | None, why: str, hint: str) -> CaptureError:
        """``value`` may not travel; ``why`` continues "'name' …"."""
        made = self.made_in(name)
        what = f"{name!r}, made in {made}, {why}" if made else f"{name!r} {why}"
        return self._error(what, name, value, site, hint=hint)

    def machinery(self, name: str, value: object, site: Site | None, *, whole: bool = True) -> CaptureError:
        """nbfn itself, or an object of its making; if not ``whole``, something that holds one."""
        what = "is part" if whole else "holds a part"
        return self.refused(
            name,
            value,
            site,
            f"{what} of nbfn itself, which is not there when the function runs",
            "use nbfn outside of the function; call other functions by their plain names",
        )

    def notebook_only(self, name: str, value: object, site: Site | None) -> CaptureError:
        """Something of IPython's."""
        return self.refused(
            name,
            value,
            site,
            "belongs to the notebook, which is not there when the function runs",
            "return the value and show it in the notebook, or print it; write magics as plain Python",
        )

    def secret(self, name: str, path: str, value: object, site: Site | None) -> CaptureError:
        """A value that is named like a secret. The value itself is never shown."""
        key = variable_of(path)
        where = "" if path == name else f" at {path}"
        return self.refused(
            name,
            value,
            site,
            f"holds a secret by its name{where}, and whoever has the image could read it",
            f"mark it as nbfn.Secret(…): it then goes to the function's config, and func.py reads "
            f'os.environ["{key}"]',
        )

    def two_secrets(self, variable: str, name: str, value: object, site: Site | None) -> CaptureError:
        """Another secret has the same environment variable."""
        return self.refused(
            name,
            value,
            site,
            f"is a secret for the variable {variable}, and so is another secret that the function uses",
            "give one of them a name of its own: nbfn.Secret(…, name='ANOTHER_NAME')",
        )

    def secret_written(self, variable: str, path: str, holder: str) -> CaptureError:
        """A marked secret is also there in plain text, in the file ``path`` by what ``holder`` brings."""
        made = self.made_in(holder)
        where = f"{holder!r}, made in {made}, that is in {path}" if made else f"{holder!r}, that is in {path}"
        return CaptureError(
            f"the text of the secret {variable} is also in {where if holder else path}, "
            "and whoever has the image could read it",
            hint="take it out there: put such a text together inside the function, or mark it as "
            "nbfn.Secret(…) too",
            name=variable,
        )

    def too_large(self, name: str, value: object, size: int, site: Site | None) -> CaptureError:
        """One value over the limit."""
        exact = isinstance(getattr(value, "nbytes", None), int)
        takes = readable_size(size) if exact else f"more than {readable_size(VALUE_MAX_BYTES)}"
        return self.refused(
            name,
            value,
            site,
            f"takes {takes} ({type_name(value)}), and one value may take {readable_size(VALUE_MAX_BYTES)}",
            "pass it as an argument, load it inside the function, or keep only the part that is used",
        )

    def too_much(self, files: Mapping[str, bytes]) -> CaptureError:
        """All values together over the limit."""
        largest = sorted(files, key=lambda path: -len(files[path]))[:3]
        shown = ", ".join(f"{path} {readable_size(len(files[path]))}" for path in largest)
        total = sum(map(len, files.values()))
        return CaptureError(
            f"what the function uses takes {readable_size(total)}, and {readable_size(TOTAL_MAX_BYTES)} "
            f"is the most: {shown}",
            hint="load the largest inside the function, or pass them as arguments",
            name=largest[0],
        )

    def undefined(self, name: str, site: Site, known: Iterable[str]) -> CaptureError:
        """A global name that is nowhere; ``known`` are the names of the notebook."""
        near = _near(name, known) or _near(name, dir(builtins))
        cell = self._cells.made(name)
        if cell:
            hint = f"{cell.label} made it and it is gone since: run that cell again"
        elif near:
            hint = f"did you mean {' or '.join(map(repr, near))}?"
        else:
            hint = "run the cell that makes it, or make it a parameter"
        return CaptureError(
            f"{site.owner} uses {name!r}{self._at(site)}, and nothing of that name exists{_quoted(site)}",
            hint=hint,
            name=name,
            used_at=self.place(site),
        )

    def not_installed(self, module: str, site: Site) -> RequirementError:
        """An import of something that is not here."""
        return RequirementError(
            f"{site.owner} imports {module!r}{self._at(site)}, and it is not installed here{_quoted(site)}",
            hint=f"run: %pip install {module.partition('.')[0]}",
        )

    def _at(self, site: Site) -> str:
        place = self.place(site)
        return f" in {place}" if place else ""

    def _error(self, what: str, name: str, value: object, site: Site | None, *, hint: str) -> CaptureError:
        message = what
        if site is not None and site.owner != name:
            message += f"; {site.owner} uses it{self._at(site)}{_quoted(site)}"
        return CaptureError(
            message,
            hint=hint,
            name=name,
            type_name=type_name(value),
            made_in=self.made_in(name),
            used_at=self.place(site) if site else "",
        )


def type_name(value: object) -> str:
    """``sqlite3.Connection``; classes of the notebook and builtins without their module."""
    kind = type(value)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _reason(error: Exception | None) -> str:
    """What an object says itself; Python's own "cannot pickle" says no more than the type."""
    text = str(error or "").partition("\n")[0]
    return f" ({text})" if text and not text.lower().startswith(("cannot pickle", "can't pickle")) else ""


def _near(name: str, known: Iterable[str]) -> list[str]:
    public = {other for other in known if not other.startswith("_")}
    return difflib.get_close_matches(name, sorted(public), n=3, cutoff=0.6)


def with_article(word: str) -> str:
    """``an int``, ``a list``."""
    return f"an {word}" if word[:1].lower() in "aeiou" else f"a {word}"


def _quoted(site: Site) -> str:
    line = site.line_text()
    return f": {line}" if line else ""


def _hint(value: object, *, inner: bool) -> str:
    hint = _known_hint(value)
    if hint:
        return f"{hint}, or leave it out of what is pickled (__getstate__)" if inner else hint
    if inner:
        return "leave it out of what is pickled (__getstate__), or make the whole inside the function"
    return "make it inside the function, or pass what it is made from as an argument"


def _known_hint(value: object) -> str:
    kinds = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(value).__mro__)
    return next((_HINTS[kind] for kind in kinds if kind in _HINTS), "")

"""The files of contexts. Nothing is made by reading; a change is one file replaced at once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nbfn import config, enginetype, yamlfile
from nbfn.contexts.context import (
    DEFAULT,
    KEYS,
    LOCAL_URL,
    SECRETS,
    Context,
    check_api_url,
    check_name,
    from_values,
    overridden,
    variable_of,
)
from nbfn.errors import BadInput, NbfnError, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbfn.yamlfile import Document

_CURRENT = "current-context"
_MODE = 0o700


class Contexts:
    """The contexts below ``home`` (default: the user's home folder), as ``environ`` overrides them."""

    def __init__(self, home: Path | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._environ = config.variables() if environ is None else environ
        self.folder = enginetype.fn_folder(self._environ, home)

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    def file(self, name: str) -> Path:
        """Where the context is (or would be)."""
        return self.folder / "contexts" / f"{check_name(name)}.yaml"

    def names(self) -> list[str]:
        """Every context, ``default`` among them even if it has no file."""
        try:
            found = {path.stem for path in (self.folder / "contexts").iterdir() if path.suffix == ".yaml"}
        except (FileNotFoundError, NotADirectoryError):
            found = set()
        except OSError as error:
            raise StateError(f"{self.folder / 'contexts'} cannot be read: {error.strerror}") from error
        return sorted({*found, DEFAULT})

    def current_name(self) -> str:
        """``FN_CONTEXT``, or what ``config.yaml`` says; empty if neither does."""
        return self._environ.get("FN_CONTEXT") or self._chosen()

    def current(self, name: str = "") -> Context:
        """The context ``name``, or the current one (``default`` if there is none), environment and all.

        Raises:
            BadInput: there is no such context, or its file cannot be understood.
        """
        meant = name or self.current_name() or DEFAULT
        try:
            return self.get(meant, overrides=True)
        except BadInput as error:
            if name or meant in self.names():
                raise
            raise type(error)(f"{self._where_chosen()}: {error.message}", hint=error.hint) from None

    def get(self, name: str, *, overrides: bool = False) -> Context:
        """The context as its file says, or with the environment's overrides. Raises as :meth:`current`."""
        values, file = self.values(name), str(self.file(name))
        if not overrides:
            return from_values(name, values, lambda _: file)

        def where(key: str) -> str:
            return variable_of(key) if self._environ.get(variable_of(key)) else file

        return from_values(name, overridden(values, self._environ), where)

    def sorted_out(self) -> tuple[list[Context], dict[Path, NbfnError]]:
        """Every context that can be understood, as its file says, and what is wrong with each other file.

        Raises:
            StateError: their folder cannot be read.
        """
        good, bad = [], {}
        for name in self.names():
            try:
                good.append(self.get(name))
            except NbfnError as error:
                bad[self.folder / "contexts" / f"{name}.yaml"] = error
        return good, bad

    def values(self, name: str) -> dict[str, str]:
        """Every key of the file, nested ones joined by dots, values as they are written."""
        path = self.file(name)
        try:
            document = yamlfile.read(path)
        except FileNotFoundError:
            if name == DEFAULT:
                return {"provider": DEFAULT, "api-url": LOCAL_URL, "registry": ""}
            raise BadInput(
                f"there is no context {name!r}: no file {path}",
                hint=f"contexts are: {', '.join(self.names())}",
            ) from None
        return dict(_flat(document, document.data))

    def shown(self, name: str) -> dict[str, str]:
        """:meth:`values`, with secrets hidden."""
        return {key: "…" if key in SECRETS and value else value for key, value in self.values(name).items()}

    def text(self, name: str) -> str:
        """The file's text, with secrets hidden."""
        return yamlfile.dump(self.shown(name))

    def create(self, name: str, *, provider: str = DEFAULT, api_url: str = "", registry: str = "") -> Context:
        """Make a context. Raises BadInput if the name, provider or address cannot be, or is taken."""
        values = {"provider": provider, "api-url": api_url, "registry": registry}
        path = self.file(name)
        made = from_values(name, values, lambda key: f"--{key}")
        with self._edit(path) as document:
            if path.exists():
                raise BadInput(f"there is a context {name!r} already", hint=f"it is {path}")
            document.data.update(values)
        return made

    def update(self, name: str, key: str, value: str | None) -> None:
        """Set a key of a context, or remove it (None). Keys that nbfn does not know are allowed, as in Fn.

        Raises:
            BadInput: no such context, an address or provider that cannot be, or a key without a name.
        """
        if not key or key != key.strip():
            raise BadInput(f"{key!r} cannot be a key of a context", hint=f"keys are: {', '.join(KEYS)}, …")
        if key == "api-url" and value:
            check_api_url(value)
        before = self.values(name)
        if key == "provider":
            from_values(name, {"provider": value or DEFAULT}, str)
        with self._edit(self.file(name)) as document:
            if not self.file(name).exists():
                document.data.update(before)
            if value is not None:
                _set(document.data, key, value)
            elif not _unset(document.data, key):
                raise BadInput(f"context {name!r} has no key {key!r}", hint=f"it has: {', '.join(before)}")

    def delete(self, name: str) -> None:
        """Remove a context. Raises BadInput for the current one, for ``default``, and if there is none."""
        self.values(name)
        if name == DEFAULT:
            raise BadInput("the context 'default' cannot be deleted")
        if name == self.current_name():
            raise BadInput(
                f"context {name!r} is the current one", hint="use another first: `nbfn use context default`"
            )
        with self._locked():
            self.file(name).unlink(missing_ok=True)

    def use(self, name: str) -> Context:
        """Make a context the current one. Raises BadInput as :meth:`current`."""
        context = self.get(name)
        self._choose(name)
        return context

    def unset(self) -> None:
        """Have no current context: ``default`` is then meant."""
        self._choose("")

    def _chosen(self) -> str:
        try:
            document = yamlfile.read(self.config_file)
        except (FileNotFoundError, NotADirectoryError):
            return ""
        return document.text(_CURRENT) or ""

    def _where_chosen(self) -> str:
        """Where the current context is named."""
        if self._environ.get("FN_CONTEXT"):
            return "FN_CONTEXT"
        return yamlfile.read(self.config_file).where(_CURRENT)

    def _choose(self, name: str) -> None:
        with self._edit(self.config_file) as document:
            document.data[_CURRENT] = name

    @contextlib.contextmanager
    def _edit(self, path: Path) -> Iterator[Document]:
        """The document in ``path``, written back unless the block raises. One at a time."""
        with self._locked():
            try:
                document = yamlfile.read(path)
            except FileNotFoundError:
                document = yamlfile.empty(path)
            yield document
            try:
                path.parent.mkdir(mode=_MODE, parents=True, exist_ok=True)
            except OSError as error:
                raise StateError(f"{path.parent} cannot be made: {error.strerror}") from error
            # The Fn CLI takes every file in contexts/ for one: what is half written is kept out of it.
            secret = any(value for key, value in _plain(document.data) if key in SECRETS)
            yamlfile.write(document, private=True, secret=secret, beside=self.folder)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            # The Fn CLI needs no more: it reads and writes as the same user.
            self.folder.mkdir(mode=_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"{self.folder} cannot be made: {error.strerror}", hint="check who owns it"
            ) from error
        with yamlfile.locked(self.folder / "nbfn.lock"):
            yield


def _flat(
    document: Document, data: Mapping[str, object], above: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    for key, value in data.items():
        path = (*above, str(key))
        if isinstance(value, Mapping):
            yield from _flat(document, value, path)
        elif isinstance(value, list):
            raise BadInput(f"{document.where(*path)}: {'.'.join(path)} is a list", hint="give one value")
        else:
            yield ".".join(path), "" if value is None else document.text(*path) or str(value)


def _plain(data: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from _plain(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _set(data: dict[str, object], key: str, value: str) -> None:
    """Set ``key`` where it is: nested (``oracle: {profile: …}``) if it is, else flat, as the Fn CLI does."""
    head, dot, rest = key.partition(".")
    inner = data.get(head)
    if dot and key not in data and isinstance(inner, dict):
        _set(inner, rest, value)
    else:
        data[key] = value


def _unset(data: dict[str, object], key: str) -> bool:
    if key in data:
        del data[key]
        return True
    head, dot, rest = key.partition(".")
    inner = data.get(head)
    return bool(dot) and isinstance(inner, dict) and _unset(inner, rest)

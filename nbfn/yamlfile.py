"""YAML files that other tools write too: every key, comment and quote is kept, and a file is written at once.

What is wrong in a file is said with its line and column.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput, StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml import YAML
    from ruamel.yaml.nodes import Node

# Another tool may truncate a file and then write it: one that is empty is looked at again.
_ATTEMPTS = 4
_BETWEEN_ATTEMPTS_S = 0.02
_PRIVATE, _PUBLIC = 0o600, 0o644

Key = str | int


@dataclass(slots=True)
class Document:
    """A mapping that was read from ``path``: change ``data``, and :func:`write` keeps everything else."""

    path: Path
    data: Any
    """A mapping that remembers comments, order and quotes."""
    _root: Node | None = field(default=None, repr=False)

    def text(self, *keys: Key) -> str | None:
        """The scalar at ``keys`` exactly as it is written (``0.10``, ``yes``); None if there is none."""
        node = self._find(keys)
        return node.value if node is not None and isinstance(node.value, str) else None

    def where(self, *keys: Key) -> str:
        """``file:line:column`` of the value at ``keys``, or of the file if it has no such value."""
        node = self._find(keys)
        if node is None:
            return str(self.path)
        return f"{self.path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def span(self, *keys: Key) -> slice | None:
        """Where in the file's text the scalar at ``keys`` is, quotes and all; None if there is none."""
        node = self._find(keys)
        if node is None or not isinstance(node.value, str):
            return None
        return slice(node.start_mark.index, node.end_mark.index)

    def _find(self, keys: tuple[Key, ...]) -> Node | None:
        node = self._root
        for key in keys:
            node = _child(node, key)
        return node


def _child(node: Node | None, key: Key) -> Node | None:
    content = node.value if node is not None else None
    if not isinstance(content, list):
        return None
    if isinstance(key, int):
        return content[key] if key < len(content) and not isinstance(content[key], tuple) else None
    return next((v for k, v in (x for x in content if isinstance(x, tuple)) if k.value == key), None)


def empty(path: Path) -> Document:
    """A document without keys, for a file that is not there yet."""
    from ruamel.yaml.comments import CommentedMap

    return Document(path, CommentedMap())


def read(path: Path) -> Document:
    """The mapping in ``path``.

    Raises:
        FileNotFoundError: there is no such file.
        BadInput: it is not YAML, has a key twice, or is no mapping: with line and column.
        StateError: it cannot be read.
    """
    return parse(_text(path), path)


def parse(text: str, path: Path) -> Document:
    """The mapping in ``text``, which is (or will be) in ``path``. Raises BadInput as :func:`read`."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = _yaml()
    try:
        data = yaml.load(text)
        root = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise BadInput(
            f"{path}{place}: {str(error.problem or error.context).strip()}", hint="correct the file there"
        ) from None
    except (YAMLError, ValueError) as error:
        raise BadInput(f"{path} is not YAML: {str(error).splitlines()[0]}", hint="correct the file") from None
    if data is None:
        return empty(path)
    if not isinstance(data, dict):
        raise BadInput(f"{path}:1:1: expected 'key: value' lines, found {_kind(data)}")
    return Document(path, data, root)


def dump(data: object) -> str:
    """``data`` as YAML text."""
    stream = io.StringIO()
    _yaml().dump(data, stream)
    return stream.getvalue()


def write(
    document: Document, *, private: bool = False, secret: bool = False, beside: Path | None = None
) -> None:
    """Write ``document`` to its file, whole or not at all, with the mode that the file has.

    A new file is readable for everybody, or only for its owner if ``private``. One that holds a ``secret`` is
    only for its owner from now on, whatever mode it has. ``beside`` is where the file is prepared: elsewhere
    on the same file system, if others would stumble over it in its own folder.

    Raises:
        StateError: it cannot be written.
    """
    write_text(document.path, dump(document.data), private=private, secret=secret, beside=beside)


def set_scalar(path: Path, value: str, *keys: Key) -> Document | None:
    """Write ``value``, a word, in place of the scalar at ``keys`` of the file, and leave every other byte.

    None if there is no scalar there that can be replaced alone: nothing was written then.

    Raises:
        FileNotFoundError, BadInput, StateError: as :func:`read`, or it cannot be written.
    """
    text = _text(path)
    place = parse(text, path).span(*keys)
    if place is None:
        return None
    changed = f"{text[: place.start]}{value}{text[place.stop :]}"
    try:
        after = parse(changed, path)
    except BadInput:
        return None
    if after.text(*keys) != value:
        return None
    write_text(path, changed)
    return after


def write_text(
    path: Path, text: str, *, private: bool = False, secret: bool = False, beside: Path | None = None
) -> None:
    """:func:`write` for any text."""
    real = Path(os.path.realpath(path))  # a link to a file kept elsewhere stays one
    try:
        mode = real.stat().st_mode & 0o777
    except OSError:
        mode = _PRIVATE if private or secret else _PUBLIC
    if secret:
        mode &= _PRIVATE
    folder = real.parent if beside is None or real != path else beside
    try:
        handle, name = tempfile.mkstemp(prefix=".nbfn-", dir=folder)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(real)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateError(f"{path} cannot be written: {error.strerror}", hint="check who owns it") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``: whoever edits the same files through nbfn waits.

    Raises:
        StateError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise StateError(f"{path} cannot be made: {error.strerror}", hint="check who owns it") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _text(path: Path) -> str:
    text = ""
    try:
        for _ in range(_ATTEMPTS):
            with path.open(encoding="utf-8", newline="") as file:  # line ends as they are
                text = file.read()
            if text:
                break
            time.sleep(_BETWEEN_ATTEMPTS_S)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StateError(f"{path} cannot be read: {error.strerror}", hint="check who owns it") from error
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path}{_place_of(error)} is not UTF-8 text: {error.reason}", hint="save the file as UTF-8"
        ) from None
    return text


def _place_of(error: UnicodeDecodeError) -> str:
    """``:LINE:COLUMN`` of the first byte that is none."""
    before = error.object[: error.start]
    *above, line = before.split(b"\n")
    return f":{len(above) + 1}:{len(line.decode('utf-8', 'replace')) + 1}"


def _kind(data: object) -> str:
    return "a list" if isinstance(data, list) else f"the {type(data).__name__.lower()} {str(data)[:40]!r}"


def _yaml() -> YAML:
    from ruamel.yaml import YAML  # 40 ms, which a notebook that has no such files need not wait for

    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.map_indent, yaml.sequence_indent, yaml.sequence_dash_offset = 2, 2, 0
    return yaml

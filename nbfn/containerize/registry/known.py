"""What repositories are known to have, so that a push need not ask for every blob again."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import TYPE_CHECKING

from nbfn.containerize.image import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_MOST = 256
"""Digests kept of one repository: those of the last tens of images."""


class Known:
    """The blobs that one repository had when it last took a manifest. A guess: it may have dropped some.

    ``folder`` is None to know nothing and keep nothing.
    """

    def __init__(self, folder: Path | None, repository: str) -> None:
        name = digest_of(f"blobs {repository}".encode()).removeprefix("sha256:")
        self._path = folder / name if folder is not None else None
        found = self._read()
        self._digests = _strings(found.get("digests"))
        self._root = str(found.get("root") or "")

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    @property
    def root(self) -> str:
        """Where the registry was that took it, if it needed no login and no TLS."""
        return self._root if self._digests else ""

    def _read(self) -> Mapping[str, object]:
        if self._path is None:
            return {}
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def add(self, digests: Iterable[str], root: str) -> None:
        """A manifest that has these was taken, by the registry at ``root``."""
        new = list(dict.fromkeys(digests))
        kept = [*new, *(each for each in self._digests if each not in new)][:_MOST]
        if (kept, root) != (self._digests, self._root):
            self._digests, self._root = kept, root
            self._write()

    def forget_root(self) -> None:
        """It could not be reached there, or refused."""
        if self._root:
            self._root = ""
            self._write()

    def forget(self) -> None:
        """It was wrong."""
        self._digests, self._root = [], ""
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        # It saves time at the next push; a full disk here must not end this one.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_text(json.dumps({"root": self._root, "digests": self._digests}))
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)


def _strings(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []

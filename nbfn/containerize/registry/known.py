"""What repositories are known to have, so that a push need not ask for every blob again."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import TYPE_CHECKING

from nbfn.containerize.image import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable
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
        self._digests = self._read()

    def __contains__(self, digest: str) -> bool:
        return digest in self._digests

    def __bool__(self) -> bool:
        return bool(self._digests)

    def _read(self) -> list[str]:
        if self._path is None:
            return []
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return []
        return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []

    def add(self, digests: Iterable[str]) -> None:
        """A manifest that has these was taken."""
        new = list(dict.fromkeys(digests))
        kept = [*new, *(each for each in self._digests if each not in new)][:_MOST]
        if kept != self._digests:
            self._digests = kept
            self._write()

    def forget(self) -> None:
        """It was wrong."""
        self._digests = []
        self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        # It saves time at the next push; a full disk here must not end this one.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_text(json.dumps(self._digests))
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)

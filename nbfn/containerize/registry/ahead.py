"""A connection and uploads that are begun while what they are for is still being made."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

from nbfn.containerize.registry.known import Known
from nbfn.containerize.registry.repository import Repository
from nbfn.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from nbfn.containerize.registry.access import Access
    from nbfn.containerize.registry.reference import Reference

T = TypeVar("T")

_AT_ONCE = 4


class Ahead:
    """The repository that ``ref`` names, being connected to; a context manager that ends what nobody took.

    Where to upload to is asked before it is known what: a registry takes as long for that as it takes to
    compress a changed line. ``memory`` is as in :func:`push`.
    """

    def __init__(self, ref: Reference, access: Access, memory: Path | None = None) -> None:
        self.ref = ref
        self.memory = memory
        self.known = Known(memory, ref.name)
        self._repository = Repository(ref, access, push=True, root=self.known.root)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="nbfn-push")
        self._connected = self._threads.submit(self._repository.connect)
        self._lock = threading.Lock()
        self._begun: list[Future[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        for future in self._begun:
            if future.done() and not future.cancelled() and future.exception() is None:
                # An upload nobody wants; the registry ends it in time if this does not.
                with contextlib.suppress(RegistryError):
                    self._repository.request("DELETE", future.result(), allow=range(400, 600))
        self._repository.close()

    def repository(self) -> Repository:
        """Connected to, and logged in; threads may share it.

        Raises:
            LoginFailed, RegistryError: as :meth:`Repository.connect`.
        """
        self._connected.result()
        return self._repository

    def again(self) -> None:
        """Connect as if nothing was known of the registry. Raises as :meth:`repository`."""
        with self._lock:
            self._begun.clear()
        self.known.forget()
        self._repository.reconnect()

    def expect(self, uploads: int) -> None:
        """Begin so many uploads, of blobs to be sent in one piece each."""
        self._begun += [self._threads.submit(self._begin) for _ in range(uploads)]

    def location(self) -> str:
        """Where to upload one blob to. Raises as :meth:`Repository.request`."""
        with self._lock:
            begun = self._begun.pop(0) if self._begun else None
        return begun.result() if begun is not None else self._begin()

    def each(self, action: Callable[[T], object], items: Iterable[T]) -> None:
        """Do it for every item, several at once; raises what the first one to fail did."""
        for _ in self._threads.map(action, items):
            pass

    def _begin(self) -> str:
        repository = self.repository()
        return repository.location(repository.request("POST", "blobs/uploads/"))

"""The layers of the application: for each, the key that tells whether it is here, and its entries."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import nbfn.runtime
from nbfn.containerize import bytecode, host
from nbfn.containerize.image import digest_of, encode
from nbfn.containerize.layers import Entry
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nbfn.containerize.packages import Package

RUNTIME, DEPENDENCIES, CODE = "runtime", "dependencies", "code"

# Another number whenever the same inputs give other bytes: what older versions made is then not reused.
_BUILDER = 1
_RUNTIME_ROOT = "opt/nbfn/nbfn_runtime"
_PYTHON_ROOT = "python"
# Their tests are most of numpy's and pandas' modules, and no function imports them.
_WITHOUT_BYTECODE = frozenset({"test", "tests"})


@functools.cache  # a process that runs one version does not come to run another
def runtime_key() -> str:
    """Digest over the runtime's own text."""
    texts = {path: digest_of(source.read_bytes()) for path, source in _runtime_files()}
    return _key(RUNTIME, texts)


def dependencies_key(packages: Sequence[Package]) -> str:
    """Digest over what is installed, without reading any of it."""
    return _key(DEPENDENCIES, {p.name: [p.version, p.record_digest] for p in packages})


@contextlib.contextmanager
def runtime_entries() -> Iterator[list[Entry]]:
    """The runtime and its bytecode."""
    with _gathered(), _with_bytecode(dict(_runtime_files()), ours=True) as entries:
        yield entries


@contextlib.contextmanager
def dependency_entries(packages: Sequence[Package]) -> Iterator[list[Entry]]:
    """The files of ``packages`` below ``/python``, with bytecode.

    Raises:
        RequirementError: the files of a package are not there.
        ImageError: they are being changed just now.
    """
    files: dict[str, Path] = {}
    for package in packages:
        for place, source in package.files():
            # Two packages may share a file (an __init__.py of a common folder): it is one here too.
            files.setdefault(f"{_PYTHON_ROOT}/{place}", source)
    with _gathered(), _with_bytecode(files) as entries:
        yield entries


@contextlib.contextmanager
def _gathered() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ImageError(
            f"the files of a layer cannot be gathered: {error}",
            hint="build again once nothing is being installed or removed",
        ) from error


@contextlib.contextmanager
def _with_bytecode(files: dict[str, Path], *, ours: bool = False) -> Iterator[list[Entry]]:
    entries = [Entry.copied(path, source) for path, source in files.items()]
    missing = []
    for path, source in files.items():
        if not path.endswith(".py") or not _WITHOUT_BYTECODE.isdisjoint(path.split("/")):
            continue
        # Bytecode that is lying about was made who knows when; for the few files of ours, always anew.
        cached = None if ours else bytecode.existing(source)
        if cached is None:
            missing.append((bytecode.cached_name(path), path, source))
        else:
            make = partial(_rewritten, source, cached)
            entries.append(Entry.made(bytecode.cached_name(path), make, cached.stat().st_size))
    missing.sort()  # as they will stand in the tar, since the compiler answers in that order
    with bytecode.Compiler((source, f"/{path}") for _, path, source in missing) as compiler:
        for name, _, source in missing:
            entries.append(Entry.made(name, partial(_compiled, source, compiler), source.stat().st_size))
        yield entries


def _rewritten(source: Path, cached: Path) -> bytes:
    return bytecode.unchecked(source.read_bytes(), bytecode.code_of(cached))


def _compiled(source: Path, compiler: bytecode.Compiler) -> bytes | None:
    code = compiler.code(source)
    return bytecode.unchecked(source.read_bytes(), code) if code else None


def _runtime_files() -> Iterator[tuple[str, Path]]:
    root = Path(nbfn.runtime.__path__[0])
    for source in sorted(root.rglob("*")):
        path = source.relative_to(root)
        if source.is_file() and "__pycache__" not in path.parts:
            yield f"{_RUNTIME_ROOT}/{path.as_posix()}", source


def _key(what: str, facts: Mapping[str, object]) -> str:
    about = {"builder": _BUILDER, "abi": host.soabi(), "bytecode": importlib.util.MAGIC_NUMBER.hex()}
    return digest_of(encode({**about, "what": what, "facts": facts}))

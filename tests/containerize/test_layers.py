from __future__ import annotations

import io
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize.layers import MTIME, Entry, measure, write_tar
from nbfn.containerize.members import read_members
from nbfn.errors import ImageError

if TYPE_CHECKING:
    import random
    from pathlib import Path

_PART = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda part: part not in (".", "..") and not part.startswith(".wh."))
_FILES = st.dictionaries(
    st.lists(_PART, min_size=1, max_size=4).map("/".join), st.binary(max_size=2000), max_size=8
)


def tar_of(*entries: Entry) -> bytes:
    out = io.BytesIO()
    write_tar(entries, out.write)
    return out.getvalue()


def is_a_folder_too(files: dict[str, bytes]) -> bool:
    return any(other.startswith(f"{path}/") for path in files for other in files)


@given(_FILES.filter(lambda files: not is_a_folder_too(files)), st.randoms())
def test_any_order_gives_the_same_bytes_and_any_reader_gets_the_files(
    files: dict[str, bytes], order: random.Random
) -> None:
    entries = [Entry.of(path, data) for path, data in files.items()]
    first = tar_of(*entries)
    order.shuffle(entries)
    assert tar_of(*entries) == first
    assert measure(entries)[1] == len(first)
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        found = {m.name: archive.extractfile(m).read() for m in archive if m.isreg()}  # type: ignore[union-attr]
    assert found == files
    members, problems = read_members(io.BytesIO(first), len(first))
    assert problems == []
    assert {m.path: first[m.offset : m.offset + m.size] for m in members if m.kind == "file"} == files


def test_owner_times_and_modes_are_fixed(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!")
    program.chmod(0o700)
    private = tmp_path / "private"
    private.write_bytes(b"x")
    private.chmod(0o600)
    tar = tar_of(Entry.copied("a/b/program", program), Entry.copied("a/private", private))
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        members = archive.getmembers()
    assert [(m.name, oct(m.mode)) for m in members] == [
        ("a", "0o755"),
        ("a/b", "0o755"),
        ("a/b/program", "0o755"),
        ("a/private", "0o644"),
    ]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", MTIME)}


def test_a_file_that_turns_out_not_to_be_leaves_no_trace() -> None:
    assert tar_of(Entry.made("a/b", lambda: None, 5)) == tar_of()


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (("a", "a"), "there twice"),
        (("a", "a/b"), "a folder and a file"),
        (("../a",), "leaves the image"),
        (("/a",), "absolute"),
        (("a//b",), "plain path"),
        (("",), "no name"),
    ],
)
def test_what_no_tar_can_hold_is_refused(paths: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ImageError, match=problem):
        tar_of(*(Entry.of(path, b"") for path in paths))


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one")
    entry = Entry.copied("log", path)
    path.write_bytes(b"one two")
    with pytest.raises(ImageError, match="changed while"):
        tar_of(entry)
    path.write_bytes(b"on")
    with pytest.raises(ImageError, match="changed while"):
        tar_of(entry)
    path.unlink()
    with pytest.raises(ImageError, match="cannot go into the image"):
        tar_of(entry)


def test_a_large_file_is_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        measure([Entry.copied("large", path)])
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import subprocess
import sys
import tarfile
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize import Image, Layer, Layout, files, sweep_unpacked, unpack, validate
from nbfn.containerize.host import HOST_LABEL
from nbfn.containerize.image import LAYER_GZIP_TYPE, LAYER_TYPE, Descriptor, digest_of
from nbfn.containerize.members import Member, member_problems
from nbfn.errors import ImageError, StateError
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Made = tuple[str, bytes, str | bytes]
"""Name, type, and link target or bytes."""


def tar_of(*members: Made) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o755 if kind == tarfile.DIRTYPE else 0o4755
            if isinstance(content, str):
                info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def image_of(folder: Path, tar: bytes, *, zipped: bool = False, host: bool = True) -> Image:
    """An image of one layer; of base ``host``, or with a root of its own."""
    blob = gzip.compress(tar) if zipped else tar
    path = folder / "layer"
    path.write_bytes(blob)
    media_type = LAYER_GZIP_TYPE if zipped else LAYER_TYPE
    layer = Layer(Descriptor(media_type, digest_of(blob), len(blob)), digest_of(tar), path)
    image = Image.empty({"os": "linux", "architecture": "amd64"}).append(layer, created_by="test")
    return image.configured(env={}, labels={HOST_LABEL: "x"} if host else {}, Cmd=["true"])


FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
GOOD = tar_of(
    ("./", FOLDER, b""),
    ("./a/", FOLDER, b""),
    ("./a/program", FILE, b"run"),
    ("b/no/folder/of/its/own", FILE, b""),
    ("a/link", LINK, "../b/no"),
    ("a/again", HARD, "./a/program"),
    ("a/", FOLDER, b""),
)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_layer_becomes_a_folder(tmp_path: Path, zipped: bool) -> None:
    image = image_of(tmp_path, GOOD, zipped=zipped)
    assert validate(image) == []
    (folder,) = unpack(image, tmp_path / "into")
    assert folder == tmp_path / "into" / digest_of(GOOD).removeprefix("sha256:")
    assert (folder / "a" / "program").read_bytes() == b"run"
    assert (folder / "a" / "again").read_bytes() == b"run"
    assert (folder / "a" / "link" / "folder" / "of" / "its" / "own").read_bytes() == b""
    assert [path.name for path in (tmp_path / "into").iterdir()] == [folder.name]


def test_modes_are_kept_but_for_set_user_id_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        (folder,) = unpack(image_of(tmp_path, GOOD), tmp_path / "into")
    finally:
        os.umask(before)
    modes = {str(p.relative_to(folder)): stat.S_IMODE(p.lstat().st_mode) for p in folder.rglob("*")}
    assert modes["a/program"] == 0o755
    assert stat.S_IMODE(folder.stat().st_mode) == modes["b/no/folder"] == modes["a"] == 0o755


@pytest.mark.needs("root")
def test_another_user_can_read_it(state: Path) -> None:
    state.chmod(0o755)
    before = os.umask(0o077)
    try:
        (folder,) = unpack(image_of(state, GOOD), state / "into")
        (state / "into").chmod(0o755)
    finally:
        os.umask(before)
    done = subprocess.run(["cat", folder / "a" / "program"], user=65534, capture_output=True, check=True)
    assert done.stdout == b"run"


def test_it_is_made_once(tmp_path: Path) -> None:
    image = image_of(tmp_path, GOOD)
    (folder,) = unpack(image, tmp_path / "into")
    (tmp_path / "layer").unlink()
    assert unpack(image, tmp_path / "into") == [folder]


def test_folders_of_layers_that_no_image_has_are_swept(tmp_path: Path) -> None:
    layout, into = Layout(tmp_path / "images"), tmp_path / "layers"
    assert sweep_unpacked(layout, into) == 0
    kept = layout.keep(image_of(tmp_path, GOOD))
    system = tar_of(("./x", LINK, "/etc/passwd"))
    (stays,), (goes,) = unpack(kept, into), unpack(image_of(tmp_path, system, host=False), into)
    assert goes.name.endswith("-root")
    part = into / "x.tmp-1-2"  # another process's, perhaps
    part.mkdir()
    assert sweep_unpacked(layout, into) == 1
    assert sorted(into.iterdir()) == sorted((stays, part))
    assert unpack(kept, into) == [stays]


def test_two_processes_at_once(tmp_path: Path) -> None:
    files: list[Made] = [(f"m{n}.txt", FILE, b"x" * 1000) for n in range(300)]
    layout = Layout(tmp_path / "images")
    ref = layout.put(image_of(tmp_path, tar_of(*files)), "nbfn.local/app/one")
    script = (
        "import sys\nfrom pathlib import Path\nfrom nbfn.containerize import Layout, unpack\n"
        "image = Layout(Path(sys.argv[1])).get(sys.argv[2])\nsys.stdin.readline()\n"
        "(folder,) = unpack(image, Path(sys.argv[3]))\nprint(len(list(folder.iterdir())))\n"
    )
    command = [sys.executable, "-c", script, str(layout.path), str(ref), str(tmp_path / "into")]
    pipe = subprocess.PIPE
    with contextlib.ExitStack() as stack:
        started = [
            stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)) for _ in "123"
        ]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate()[0] for process in started] == ["300\n"] * 3
    assert len(list((tmp_path / "into").iterdir())) == 1


def test_what_a_killed_process_left_does_not_matter(tmp_path: Path) -> None:
    image = image_of(tmp_path, GOOD)
    part = tmp_path / "into" / f"{digest_of(GOOD)[7:]}.tmp-1-0"
    part.mkdir(parents=True)
    (part / "half").write_text("")
    os.utime(part, (0, 0))
    (folder,) = unpack(image, tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").iterdir()] == [folder.name]


HOSTILE: dict[str, tuple[list[Made], str]] = {
    "climbs": ([("a/../../evil", FILE, b"x")], "leaves the image"),
    "absolute": ([("/etc/evil", FILE, b"x")], "absolute"),
    "links out": ([("a", LINK, "../evil")], "links out"),
    "links to the root": ([("a", LINK, "/etc")], "links out"),
    "links out by a detour": ([("d/a", LINK, "b/../../../evil")], "links out"),
    "writes through a link": ([("a", LINK, "b"), ("a/evil", FILE, b"x")], "goes through 'a', which is a sym"),
    "writes through a file": ([("a", FILE, b""), ("a/b", FILE, b"x")], "goes through 'a', which is a file"),
    "replaces": ([("a", LINK, "b"), ("a", FILE, b"x")], "there twice"),
    "device": ([("a", tarfile.CHRTYPE, b"")], "device"),
    "block device": ([("a", tarfile.BLKTYPE, b"")], "device"),
    "pipe": ([("a", tarfile.FIFOTYPE, b"")], "device"),
    "hard link out": ([("a", HARD, "../../etc/passwd")], "hard link"),
    "hard link to a link": ([("a", LINK, "b"), ("c", HARD, "a")], "hard link"),
    "deletes": ([("d/.wh.a", FILE, b"")], "deletes"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_layers_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    members, message = HOSTILE[name]
    image = image_of(tmp_path, tar_of(("fine", FILE, b"x"), *members))
    with pytest.raises(ImageError, match=message) as caught:
        unpack(image, tmp_path / "into")
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "into").exists()
    assert any(message in problem for problem in validate(image))


ONLY_OF_A_ROOT = ("links out", "links to the root", "links out by a detour", "hard link to a link", "deletes")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_system_s_links_lead_anywhere_but_nothing_leaves_its_folder(tmp_path: Path, name: str) -> None:
    members, message = HOSTILE[name]
    image = image_of(tmp_path, tar_of(("fine", FILE, b"x"), *members), host=False)
    if name not in ONLY_OF_A_ROOT:
        with pytest.raises(ImageError, match=message):
            unpack(image, tmp_path / "into")
        return
    if name == "deletes" and os.geteuid() != 0:
        lacking("only root can make what overlayfs takes for a deletion")
    assert validate(image) == []
    (folder,) = unpack(image, tmp_path / "into")
    assert folder.name.endswith("-root")
    assert unpack(image, tmp_path / "into") == [folder]
    with pytest.raises(ImageError, match=message):
        unpack(image_of(tmp_path, tar_of(("fine", FILE, b"x"), *members)), tmp_path / "into")
    if name == "deletes":
        assert stat.S_ISCHR((folder / "d/a").lstat().st_mode)


@pytest.mark.parametrize(
    ("path", "kind", "numbers", "usual"),
    [
        ("./dev/null", tarfile.CHRTYPE, (1, 3), True),
        ("dev/ptmx", tarfile.CHRTYPE, (5, 2), True),
        ("dev/initctl", tarfile.FIFOTYPE, (0, 0), True),
        ("dev/null", tarfile.CHRTYPE, (1, 1), False),  # which is the machine's memory
        ("dev/null", tarfile.BLKTYPE, (1, 3), False),
        ("etc/null", tarfile.CHRTYPE, (1, 3), False),
        ("dev/sda", tarfile.BLKTYPE, (8, 0), False),
    ],
)
def test_devices_that_every_system_has_are_left_out_of_one(
    tmp_path: Path, path: str, kind: bytes, numbers: tuple[int, int], usual: bool
) -> None:
    info = tarfile.TarInfo(path)
    info.type, (info.devmajor, info.devminor) = kind, numbers
    layer = info.tobuf() + tar_of(("etc/fine", FILE, b"x"))
    for host in (False, True):
        image = image_of(tmp_path, layer, host=host)
        if not usual or host:
            with pytest.raises(ImageError, match="is a device, a pipe"):
                unpack(image, tmp_path / "into")
            assert len(validate(image)) == 1
            continue
        assert validate(image) == []
        (folder,) = unpack(image, tmp_path / "into")
        assert sorted(each.name for each in folder.rglob("*")) == ["dev", "etc", "fine"]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_not_read(tmp_path: Path, kind: bytes, zipped: bool) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, 2 << 20
    layer = info.tobuf() + bytes(info.size) + tar_of(("fine", FILE, b"x"))
    image = image_of(tmp_path, layer, zipped=zipped)
    with pytest.raises(ImageError, match="the tar cannot be read: a header of 2,097,152 bytes"):
        unpack(image, tmp_path / "into")
    assert any("a header of 2,097,152 bytes" in line for line in validate(image))


def header_of(name: str, size: int, kind: bytes = FILE, *, said: dict[str, str] | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.pax_headers = kind, size, said or {}
    return info.tobuf(tarfile.PAX_FORMAT if said else tarfile.GNU_FORMAT)


def sparse_header() -> bytes:
    """Of GNU tar's own kind, whose holes go on in the blocks behind it."""
    header = bytearray(header_of("x", 0, tarfile.GNUTYPE_SPARSE))
    header[482] = 1
    header[148:156] = b"%06o\0 " % sum(header[:148] + b" " * 8 + header[156:])
    return bytes(header)


HOLES = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x"}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (header_of("x", -1024), "'x' has -1,024 bytes"),
        (header_of("x", 0, said={"size": "-1024"}), "'x' has -1,024 bytes"),
        (header_of("x", 512, said=HOLES), "'x' is a sparse file"),
        (sparse_header(), "'x' is a sparse file"),
    ],
    ids=["backwards", "backwards by a text", "holes as a text", "holes"],
)
def test_headers_that_lead_backwards_or_to_lists_without_end_are_not_followed(
    tmp_path: Path, header: bytes, problem: str, zipped: bool
) -> None:
    layer = header + b"no number" + bytes(503) + tar_of(("fine", FILE, b"x"))
    for host in (False, True):
        image = image_of(tmp_path, layer, zipped=zipped, host=host)
        (found,) = validate(image)
        assert found.endswith(f"the tar cannot be read: {problem}")
        with pytest.raises(ImageError, match=problem):
            unpack(image, tmp_path / "into")


@pytest.mark.parametrize("zipped", [False, True])
def test_more_files_than_there_is_memory_for_are_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.setattr("nbfn.containerize.members._MEMBERS_MAX", 3)
    members = [(f"f{number}", FILE, b"x") for number in range(4)]
    (tmp_path / "fine").mkdir()
    assert validate(image_of(tmp_path / "fine", tar_of(*members[:3]), zipped=zipped)) == []
    (found,) = validate(image_of(tmp_path, tar_of(*members), zipped=zipped))
    assert found.endswith("the tar cannot be read: it has more than 3 members")


@pytest.mark.needs("root")
def test_a_folder_that_hides_all_below_is_what_overlayfs_takes_for_one(tmp_path: Path) -> None:
    layer = tar_of(("d/", FOLDER, b""), ("d/.wh..wh..opq", FILE, b""), ("d/new", FILE, b"x"))
    (folder,) = unpack(image_of(tmp_path, layer, host=False), tmp_path / "into")
    assert os.getxattr(folder / "d", "trusted.overlay.opaque") == b"y"
    assert [path.name for path in (folder / "d").iterdir()] == ["new"]


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbfn.containerize.image._GROWN_MAX_BYTES", 1 << 20)
    bomb = image_of(tmp_path, tar_of(("zeros", FILE, bytes(4 << 20))), zipped=True)
    with pytest.raises(ImageError, match=r"grows to more than 1,048,576: a bomb"):
        unpack(bomb, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_every_problem_is_listed(tmp_path: Path) -> None:
    image = image_of(tmp_path, tar_of(("../a", FILE, b""), ("/b", FILE, b""), ("c", FILE, b"")))
    with pytest.raises(ImageError, match=r"\(and 1 more\)") as caught:
        unpack(image, tmp_path / "into")
    assert len(caught.value.problems) == 2


def test_a_damaged_or_missing_layer_is_refused(tmp_path: Path) -> None:
    image = image_of(tmp_path, GOOD)
    path = tmp_path / "layer"
    path.write_bytes(GOOD.replace(b"run", b"RUN"))
    with pytest.raises(ImageError, match="damaged"):
        unpack(image, tmp_path / "into")
    path.write_bytes(GOOD[:-512])
    with pytest.raises(ImageError, match="bytes, not"):
        unpack(image, tmp_path / "into")
    path.unlink()
    with pytest.raises(ImageError, match="missing"):
        unpack(image, tmp_path / "into")
    zipped = image_of(tmp_path, GOOD, zipped=True)
    blob = path.read_bytes()
    path.write_bytes(blob[:-20] + bytes(20))
    with pytest.raises(ImageError, match="cannot be decompressed"):
        unpack(zipped, tmp_path / "into")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/into"):
        unpack(image_of(tmp_path, GOOD), tmp_path / "file" / "into")


@pytest.mark.needs("root")
def test_a_full_disk_is_said_so_and_nothing_half_made_stays(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = image_of(tmp_path, tar_of(("small", FILE, b"x"), ("large", FILE, bytes(2 << 20))))
    with pytest.raises(StateError, match="no space left") as caught:
        unpack(image, small_disk / "into")
    assert "it needs 2,1" in str(caught.value)
    assert not (small_disk / "into").exists()
    monkeypatch.setattr(files, "check_room", lambda *_, **__: None)  # as if others filled it meanwhile
    with pytest.raises(StateError, match="no space left") as caught:
        unpack(image, small_disk / "into")
    assert "unpacked base layer" in str(caught.value)
    assert list((small_disk / "into").iterdir()) == []


def layers_of(folder: Path, *blobs: tuple[bytes, bytes]) -> Image:
    """An image whose layers are zipped so: each the tar, and the blob."""
    image = Image.empty({"os": "linux", "architecture": "amd64"})
    for tar, blob in blobs:
        path = folder / digest_of(blob)[7:]
        path.write_bytes(blob)
        layer = Layer(Descriptor(LAYER_GZIP_TYPE, digest_of(blob), len(blob)), digest_of(tar), path)
        image = image.append(layer, created_by="test")
    return image.configured(env={}, labels={HOST_LABEL: "x"}, Cmd=["true"])


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, int], None]:
    """Lets a folder of the test's have no more than so many bytes in it."""

    def limit(name: str, most: int) -> None:
        real = files.free_bytes

        def free_bytes(path: Path, *, spared: bool = False) -> int | None:
            if path != tmp_path / name:
                return real(path, spared=spared)
            return most - sum(each.stat().st_size for each in path.rglob("*") if each.is_file())

        monkeypatch.setattr(files, "free_bytes", free_bytes)

    return limit


def test_an_image_that_does_not_fit_is_refused_before_anything_is_unpacked(
    tmp_path: Path, room: Callable[[str, int], None]
) -> None:
    tars = [tar_of((f"zeros{number}", FILE, bytes(1 << 20))) for number in range(3)]
    image = layers_of(tmp_path, *((tar, gzip.compress(tar)) for tar in tars))
    room("into", 5 << 19)
    with pytest.raises(StateError, match="no space left") as caught:
        unpack(image, tmp_path / "into")
    size = sum(map(len, tars))
    assert f"the unpacked image {image.digest[:19]}: it needs" in str(caught.value)
    assert f"{5 << 19:,} can be had" in str(caught.value)
    needed = int(str(caught.value).split("it needs ")[1].split(" bytes")[0].replace(",", ""))
    assert needed in (size, size + len(tars[-1]))  # with what is unzipped, if that is on the same disk
    assert not (tmp_path / "into").exists()
    room("into", 6 << 20)
    assert len(unpack(image, tmp_path / "into")) == 3


def test_a_layer_that_tells_less_than_it_has_is_refused_before_it_is_unpacked(
    tmp_path: Path, room: Callable[[str, int], None]
) -> None:
    tars = [tar_of((f"zeros{number}", FILE, bytes(1 << 20))) for number in range(3)]
    # A second, empty, part is allowed, and ends the file with the size of nothing.
    image = layers_of(tmp_path, *((tar, gzip.compress(tar) + gzip.compress(b"")) for tar in tars))
    assert [layer.least_bytes() for layer in image.layers] == [0, 0, 0]
    room("into", 5 << 19)
    with pytest.raises(StateError, match=r"the unpacked image .* needs 1,048,576 bytes") as caught:
        unpack(image, tmp_path / "into")
    assert "524,288 can be had" in str(caught.value)
    assert len(list((tmp_path / "into").iterdir())) == 2, "something half made stays"


@pytest.mark.needs("root")
def test_a_layer_that_cannot_be_unzipped_for_want_of_space_is_not_called_damaged(
    tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    tar = tar_of(("zeros", FILE, bytes(2 << 20)))
    told, lying = gzip.compress(tar), gzip.compress(tar) + gzip.compress(b"")
    for blob in (told, lying):
        with pytest.raises(
            StateError, match=r"no space left in .*disk for the unzipped base layer"
        ) as caught:
            unpack(layers_of(tmp_path, (tar, blob)), tmp_path / "into")
        assert "TMPDIR" in caught.value.hint
        assert validate(layers_of(tmp_path, (tar, blob))) == []  # which writes nothing
    assert not (tmp_path / "into").exists()


_PARTS = st.sampled_from(["a", "b", "c", "..", ".", ""])
_PATHS = st.lists(_PARTS, min_size=1, max_size=4).map("/".join)
_MEMBERS = st.lists(
    st.builds(
        Member,
        path=_PATHS,
        kind=st.sampled_from(["file", "folder", "symlink", "symlink", "hardlink"]),
        mode=st.just(0o644),
        size=st.just(0),
        offset=st.just(0),
        target=_PATHS,
    ),
    max_size=6,
)


@given(_MEMBERS)
def test_what_is_allowed_never_leads_out(members: list[Member]) -> None:
    """Judged by a walk through the links themselves, as the kernel would do it."""
    if member_problems(members, 0):
        return
    links = {m.path: m.target for m in members if m.kind == "symlink"}
    for path in links:
        assert climbs_out(path.split("/"), links) is False


def climbs_out(path: list[str], links: dict[str, str]) -> bool:
    at: list[str] = []
    todo = list(path)
    for _ in range(200):  # more is a loop of links, which leads nowhere
        if not todo:
            return False
        part = todo.pop(0)
        if part == "..":
            if not at:
                return True
            at.pop()
        elif part not in ("", "."):
            at.append(part)
            target = links.get("/".join(at))
            if target is not None:
                at.pop()
                todo = target.split("/") + todo
    return False

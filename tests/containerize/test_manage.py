"""The images of a layout: listed, compared, tagged, verified, pruned; and requirements.txt."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbfn.containerize import Layer, Layout, build, validate
from nbfn.containerize.changes import changes
from nbfn.containerize.image import LAYER_TYPE, Descriptor, digest_of
from nbfn.containerize.manage import drop_partials, find, listed, prune, tag, untag, verify
from nbfn.containerize.places import Folder
from nbfn.containerize.requirements import read_requirements
from nbfn.errors import BadInput, ImageError, RequirementError, StateError
from nbfn.function import function
from tests.containerize.conftest import SOURCE, make_capture, make_spec
from tests.containerize.test_bases import made_base

if TYPE_CHECKING:
    from pathlib import Path

    from tests.containerize.conftest import MakePackage


def test_two_revisions_are_compared(layout: Layout, make_package: MakePackage) -> None:
    make_package("made-up", "1.2", files={"made_up/__init__.py": "A = 1\n", "made_up/gone.py": ""})
    capture = make_capture(requirements=("made-up",), files={"data/a.json": b"[]", "data/b.json": b"1"})
    first = layout.get(build(make_spec(), capture, layout).image)
    assert not changes(first, first)
    other = make_capture(SOURCE + "\n# more\n", files={"data/a.json": b"[]", "data/c.json": b"{}"})
    second = layout.get(build(make_spec(), other, layout).image)
    found = changes(first, second)
    assert found
    assert [str(x) for x in found.packages] == ["- made-up  1.2"]
    told = {x.what: str(x)[0] for x in found.files}
    assert told["function/func.py"] == "~"
    assert told["function/data/b.json"] == "-"
    assert told["function/data/c.json"] == "+"
    assert told["python/made_up/__init__.py"] == "-"
    assert "function/data/a.json" not in told
    assert "opt/nbfn/nbfn_runtime/server.py" not in told
    assert [x.what for x in found.settings] == ["label org.nbfn.fingerprint"]
    text = str(found)
    assert f"{first.digest[7:19]} → {second.digest[7:19]}" in text
    assert "packages: 1" in text


def test_names_are_listed_and_given(layout: Layout) -> None:
    ref = build(make_spec(), make_capture(), layout).image
    tag(layout, ref, "team/greet:1.0")
    tag(layout, "team/greet:1.0", "team/greet")
    found = listed(layout)
    assert [x.name for x in found] == [
        "nbfn.local/notebook/greet:latest",
        "team/greet:1.0",
        "team/greet:latest",
    ]
    assert {x.digest for x in found} == {ref.digest}
    assert found[0].size == layout.get(ref).size
    assert found[0].python == str(make_capture().python)
    with pytest.raises(ImageError, match="nobody"):
        tag(layout, "nobody", "x")


def test_of_several_images_those_that_can_be_meant_are_named(layout: Layout) -> None:
    refs = [build(make_spec(), make_capture(), layout).image]
    refs.append(build(make_spec(), make_capture(f"{SOURCE}\n# another\n"), layout).image)
    for ref, app in zip(refs, ("one", "two"), strict=True):
        tag(layout, ref, f"{app}/f")
        tag(layout, ref, f"{app}/other")
    with pytest.raises(BadInput, match=r"'f' could be any of one/f:latest, two/f:latest\n"):
        find(layout, "f")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("MINE:BAD", "the repository 'MINE' has capital letters"),
        ("mine:ok ok", "'ok ok' is not a tag"),
        ("a:b:c", "'b:c' is not a tag"),
        ("BAD NAME", "capital letters"),
        ("", "no repository"),
        ("sha256:abcd", "reads as a digest"),
        ("mine@sha256:" + "0" * 64, "has a digest"),
        ("nbfn.local/notebook/greet", "the functions' own names"),
        ("nbfn.local/x:1", "the functions' own names"),
    ],
)
def test_a_name_that_cannot_be_is_not_given(layout: Layout, name: str, said: str) -> None:
    ref = build(make_spec(), make_capture(), layout).image
    before = layout.refs()
    with pytest.raises(BadInput, match=said) as caught:
        tag(layout, ref, name)
    assert "team/greet:1.0" in caught.value.hint
    assert layout.refs() == before


def test_a_name_is_taken_away(layout: Layout) -> None:
    ref = build(make_spec(), make_capture(), layout).image
    own = "nbfn.local/notebook/greet:latest"
    for name in ("greet", "greet:1", "localhost:5000/greet"):
        tag(layout, ref, name)
    layout.put_as(layout.get(ref), "OLD:was ok once")
    assert str(untag(layout, "greet")) == f"greet:latest@{ref.digest}"
    assert untag(layout, "localhost:5000/greet").digest == ref.digest
    assert list(layout.refs()) == ["OLD:was ok once", "greet:1", own]
    with pytest.raises(ImageError, match="no image with the name 'greet'") as missing:
        untag(layout, "greet")
    assert missing.value.hint == "names that can be removed: OLD:was ok once, greet:1"
    for name in (own, "nbfn.local/notebook/greet"):
        with pytest.raises(BadInput, match="the functions' own names"):
            untag(layout, name)
    for name in ("greet:1", "OLD:was ok once"):
        untag(layout, name)
    assert list(layout.refs()) == [own]
    assert validate(layout.get(own)) == []


def age(layout: Layout) -> None:
    for path in (layout.path / "blobs/sha256").iterdir():
        os.utime(path, (0, 0))


def test_what_nothing_needs_is_pruned(layout: Layout) -> None:
    revisions = [
        build(make_spec(), make_capture(f"{SOURCE}\n# {number}\n"), layout).image for number in range(3)
    ]
    assert prune(layout, []).blobs == ()  # all of it is young
    age(layout)
    found = prune(layout, [revisions[1].digest])
    assert len(found.blobs) == 3  # the first one's manifest, config and code
    assert found.freed > 0
    assert validate(layout.get(revisions[1])) == validate(layout.get(revisions[2])) == []
    with pytest.raises(ImageError):
        layout.get(revisions[0])
    assert prune(layout, [revisions[1].digest]).blobs == ()
    assert build(make_spec(), make_capture(f"{SOURCE}\n# 0\n"), layout).image == revisions[0]


def test_a_missing_root_prunes_nothing(layout: Layout) -> None:
    build(make_spec(), make_capture(), layout)
    layout.remove("nbfn.local/notebook/greet")
    age(layout)
    before = sorted(x.name for x in (layout.path / "blobs/sha256").iterdir())
    with pytest.raises(ImageError):
        prune(layout, ["sha256:" + "0" * 64])
    assert sorted(x.name for x in (layout.path / "blobs/sha256").iterdir()) == before
    assert len(prune(layout, []).blobs) == len(before)


def test_what_is_damaged_is_found(layout: Layout) -> None:
    good = build(make_spec(name="good"), make_capture(), layout).image
    bad = build(make_spec(name="bad"), make_capture(SOURCE + "\n"), layout).image
    assert verify(layout) == {}
    code = layout.get(bad).layers[-1]
    code.path.write_bytes(code.path.read_bytes().replace(b"Hello", b"HELLO"))
    found = verify(layout)
    assert list(found) == ["nbfn.local/notebook/bad:latest"]
    assert f"{code.path} has the digest" in found["nbfn.local/notebook/bad:latest"][0]
    layout.blob(bad.digest).unlink()
    assert "not in" in verify(layout)["nbfn.local/notebook/bad:latest"][0]
    assert [bool(x.problem) for x in listed(layout)] == [True, False]
    assert validate(layout.get(good)) == []


@pytest.mark.parametrize("number", [0, -1], ids=["of the base", "the code"])
def test_a_damaged_file_that_is_removed_is_made_anew(layout: Layout, tmp_path: Path, number: int) -> None:
    source = tmp_path / "source"
    source.mkdir()
    image = made_base(source, {"usr/bin/python3": b""}, env={"PYTHON_VERSION": str(make_capture().python)})
    Folder(tmp_path / "base").store(image)
    spec = make_spec(base=f"oci:{tmp_path / 'base'}")
    built = build(spec, make_capture(), layout).image
    damaged = layout.get(built).layers[number].path
    damaged.write_bytes(bytes(damaged.stat().st_size))
    for problems in verify(layout).values():
        assert f"{damaged} has the digest" in problems[0]
    damaged.unlink()
    assert build(spec, make_capture(), layout).image == built
    assert verify(layout) == {}


def test_revisions_without_a_name_are_verified(layout: Layout) -> None:
    first, second = (build(make_spec(), make_capture(f"{SOURCE}\n# {n}\n"), layout).image for n in range(2))
    assert list(layout.refs().values()) == [second.digest]
    assert verify(layout) == {}
    code = layout.get(first).layers[-1]
    code.path.write_bytes(code.path.read_bytes().replace(b"Hello", b"HELLO"))
    found = verify(layout)
    assert list(found) == [first.digest]
    assert "has the digest" in found[first.digest][0]


def test_a_layer_is_read_once_for_all_images(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        build(make_spec(), make_capture(f"{SOURCE}\n# {number}\n"), layout)
    read: list[str] = []
    real = Layer.open
    monkeypatch.setattr(Layer, "open", lambda self: read.append(self.diff_id) or real(self))
    assert verify(layout) == {}
    assert len(set(read)) == 4  # what the runtime is in, and each revision's code
    assert {read.count(each) for each in read} == {2}  # its blob, and what is in it


def test_a_prune_that_is_killed_leaves_whole_images(layout: Layout) -> None:
    refs = [build(make_spec(), make_capture(f"{SOURCE}\n# {n}\n"), layout).image for n in range(6)]
    age(layout)
    script = (
        "import os, pathlib, signal, sys\nfrom nbfn.containerize import Layout\n"
        "from nbfn.containerize.manage import prune\n"
        "real, left = os.unlink, [4]\n"
        "def unlink(*a, **k):\n"
        "    left[0] -= 1\n"
        "    if not left[0]: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*a, **k)\n"
        "os.unlink = unlink\n"
        f"prune(Layout(pathlib.Path({str(layout.path)!r})), [{refs[2].digest!r}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    assert verify(layout) == {}, "a manifest outlived its layers"
    for ref in (refs[2], refs[5]):
        assert validate(layout.get(ref)) == []
    prune(layout, [refs[2].digest])
    assert verify(layout) == {}
    with pytest.raises(ImageError):
        layout.get(refs[0])


def break_off(layout: Layout, descriptor: Descriptor, error: BaseException, *, resumed: bool = True) -> None:
    with layout.partial(descriptor, "a layer", resumed=resumed) as growing:
        assert growing
        growing.write(b"a la")
        raise error


def test_parts_that_nobody_is_writing_are_dropped(layout: Layout) -> None:
    first, second = (Descriptor(LAYER_TYPE, digest_of(bytes([number])), 1000) for number in range(2))
    for descriptor in (first, second):
        with pytest.raises(KeyboardInterrupt):
            break_off(layout, descriptor, KeyboardInterrupt())
    assert len(list(layout.partials.iterdir())) == 2
    assert drop_partials(layout, after_s=60) == {}
    with contextlib.suppress(KeyboardInterrupt), layout.partial(first, "a layer") as growing:
        assert growing
        assert growing.size == 4
        assert drop_partials(layout) == {second.digest: 4}, "one that is being written was dropped"
        raise KeyboardInterrupt
    assert drop_partials(layout) == {first.digest: 4}
    assert drop_partials(layout) == {}


def test_a_part_that_is_not_gone_on_with_is_not_kept(layout: Layout) -> None:
    descriptor = Descriptor(LAYER_TYPE, digest_of(b"a layer"), 7)
    with pytest.raises(KeyboardInterrupt):
        break_off(layout, descriptor, KeyboardInterrupt(), resumed=False)
    assert not list(layout.partials.iterdir())
    with pytest.raises(StateError, match="no space left"):
        break_off(layout, descriptor, OSError(errno.ENOSPC, "no space"))
    assert not list(layout.partials.iterdir())


class TestRequirements:
    def test_a_file_of_them_is_given_like_one(self, tmp_path: Path) -> None:
        path = tmp_path / "requirements.txt"
        path.write_text("six\nattrs\n")
        made = function(str, app="x", name="y", requires=["six", str(path)])
        assert made.spec.requires == ("six", "attrs")

    def test_what_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub/more.txt").write_text("six\nattrs>=22 # as ever\n")
        path = tmp_path / "requirements.txt"
        path.write_text(
            "\ufeff# all of it\nnumpy == 2.1.0 ; python_version >= '3.11'\n\n-r sub/more.txt\n"
            "pandas[excel]~=2.2 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nsix\n"
            "tool @ https://example.org/tool-1.0.whl#sha256=00\n"
        )
        assert read_requirements(path) == (
            "numpy == 2.1.0 ; python_version >= '3.11'",
            "six",
            "attrs>=22",
            "pandas[excel]~=2.2",
            "tool @ https://example.org/tool-1.0.whl#sha256=00",
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("six\n--index-url https://x\n", "line 2: the option --index-url"),
            ("a \\\n  >=1\nno good one\n", "line 3: 'no good one' is not a requirement"),
            ("-e .\n", "line 1: the option -e"),
            ("-r requirements.txt\n", "includes itself"),
            ("-r nowhere.txt\n", "nowhere.txt cannot be read"),
        ],
    )
    def test_what_is_not_understood(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "requirements.txt"
        path.write_text(text)
        with pytest.raises(RequirementError, match=said) as caught:
            read_requirements(path)
        assert caught.value.hint

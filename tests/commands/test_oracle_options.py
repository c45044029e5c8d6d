"""Options for OCI Functions become the annotations of the Fn CLI's Oracle provider. Decisions only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn import yamlfile
from nbfn.commands.listing import picked
from nbfn.commands.oracle import DefinedTag, Destination, Provisioned, for_file, told_as_notes
from nbfn.deploy.oci.notes import extras_of, tag_fields
from nbfn.errors import BadInput
from nbfn.projects.ocideploy import oci_annotations

if TYPE_CHECKING:
    from pathlib import Path

P = "oracle.com/oci/"


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        (Provisioned(), "none", 0),
        (Provisioned(), "CONSTANT:40", 40),
        (Destination(), "stream:ocid1.s", ("stream", "ocid1.s")),
        (Destination(), "Notification:ocid1.t:x", ("notifications", "ocid1.t:x")),
        (DefinedTag(), "Ops.Cost.Center=42", ("Ops.Cost.Center", "42")),
        (DefinedTag(), 'Ops.At={"a": 1}', ("Ops.At", {"a": 1})),
        (DefinedTag(), "Ops.At={a", ("Ops.At", "{a")),
    ],
)
def test_values(kind: click.ParamType[Any], text: str, found: object) -> None:
    assert kind.convert(text, None, None) == found


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (Provisioned(), text)
            for text in ("", "constant", "constant:0", "constant:-1", "none:1", "much:2")
        ),
        *((Destination(), text) for text in ("", "stream", "stream:", "mail:ocid1.x", ":ocid1.x")),
        *((DefinedTag(), text) for text in ("a=b", ".a=b", "a.=b", "a.b")),
    ],
)
def test_values_that_cannot_be(kind: click.ParamType[Any], text: str) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


keys = st.sampled_from(["a", "b", "c"])
words = st.sampled_from(["1", "2", "x"])
tags = st.dictionaries(keys, words)
spaces = st.dictionaries(st.sampled_from(["N", "M"]), tags)
removed = st.lists(keys, unique=True).map(tuple)


@given(tags, tags, removed, st.booleans())
def test_tags_are_added_changed_and_removed(
    before: dict[str, str], told: dict[str, str], gone: tuple[str, ...], clear: bool
) -> None:
    given_ = {"tags": tuple(told.items()), "remove_tags": gone, "clear_freeform_tags": clear}
    notes = told_as_notes(given_, {f"{P}freeformTags": before})
    kept = {} if clear else {key: value for key, value in before.items() if key not in gone}
    assert notes.get(f"{P}freeformTags", before) == {**kept, **told}


@given(spaces, spaces, spaces, st.booleans())
def test_defined_tags_too_and_other_namespaces_stay(
    before: dict[str, dict[str, str]],
    told: dict[str, dict[str, str]],
    gone: dict[str, dict[str, str]],
    clear: bool,
) -> None:
    """What OCI then has, by its own rule for the annotation: a namespace that is named is replaced."""
    flat = tuple((f"{space}.{key}", value) for space, held in told.items() for key, value in held.items())
    names = tuple(f"{space}.{key}" for space, held in gone.items() for key in held)
    given_ = {"defined_tags": flat, "remove_defined_tags": names, "clear_defined_tags": clear}
    notes = told_as_notes(given_, {f"{P}definedTags": before})
    fields = tag_fields(notes, {"definedTags": before})
    after = {
        f"{space}.{key}": value
        for space, held in fields.get("definedTags", before).items()
        for key, value in held.items()
    }
    had = {f"{space}.{key}": value for space, held in before.items() for key, value in held.items()}
    kept = {} if clear else {name: value for name, value in had.items() if name not in names}
    assert after == {**kept, **dict(flat)}


modes = st.fixed_dictionaries(
    {},
    optional={
        "provisioned_concurrency": st.integers(0, 100),
        "detached_timeout": st.sampled_from(["20m", "1h", "90s", "600"]),
        "on_success": st.sampled_from([("stream", "ocid1.s"), ("notifications", "ocid1.t")]),
        "on_failure": st.sampled_from([("queue", "ocid1.q")]),
        "tags": tags.filter(bool).map(lambda each: tuple(each.items())),
        "defined_tags": st.just((("N.a", "1"), ("N.b", "x"))),
    },
)


@given(modes)
def test_a_file_says_the_same_as_the_line(tmp_path: Path, told: dict[str, Any]) -> None:
    """What ``init`` writes is read as what ``create function`` would send, and OCI's side takes it."""
    text = yamlfile.dump({"deploy": {"oci": for_file(told)}})
    read = oci_annotations(yamlfile.parse(text, tmp_path / "func.yaml"))
    assert extras_of(read) == extras_of(told_as_notes(told, {}))
    assert tag_fields(read, {}) == tag_fields(told_as_notes(told, {}), {})


def test_what_contradicts_itself() -> None:
    with pytest.raises(BadInput, match="--on-failure and --clear-on-failure contradict"):
        told_as_notes({"on_failure": ("queue", "ocid1.q"), "clear_on_failure": True}, {})
    with pytest.raises(BadInput, match=r"--detached-timeout: '1500ms' is not whole seconds"):
        told_as_notes({"detached_timeout": "1500ms"}, {})


@given(st.lists(st.fixed_dictionaries({"name": keys, "id": words, "created_at": words})))
def test_picking(held: list[dict[str, str]]) -> None:
    assert picked(held) == held
    assert all(each["name"] == "a" for each in picked(held, display_name="a"))
    names = [each["name"] for each in picked(held, sort_by="displayName", sort_order="desc")]
    assert names == sorted(names, reverse=True)
    times = [each["created_at"] for each in picked(held, object_id="1", sort_by="timeCreated")]
    assert times == sorted(each["created_at"] for each in held if each["id"] == "1")

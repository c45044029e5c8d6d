"""``images``, ``push`` and ``pull``: what was deployed from cells, in the store and in a registry."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import ShellComplete

import nbfn
from nbfn import session as sessions
from nbfn.commands.main import cli
from nbfn.commands.show import Step, metered
from nbfn.containerize.image import Descriptor, digest_of
from nbfn.errors import BadInput, ImageError
from nbfn.verbs.progress import Pushing
from tests.commands.fnline import at_home, fn
from tests.containerize.registries import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def greet(name: str) -> str:
    return f"Hello, {name}!"


def meet(name: str) -> str:
    return f"Well met, {name}!"


@pytest.fixture
def home(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with at_home(tmp_path, state, monkeypatch) as found:
        yield found


def test_two_revisions(home: Path) -> None:
    assert fn("images", "list").err == "No images found\n"
    first = nbfn.deploy(greet, app="a").image
    second = nbfn.deploy(meet, app="a", name="greet").image
    assert first is not None
    assert second is not None

    (listed,) = json.loads(fn("images", "ls", "--output", "json").out)
    assert (listed["name"], listed["handler"]) == ("nbfn.local/a/greet:latest", "meet")
    rows = [line.split() for line in fn("images", "list", "--all").out.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["nbfn.local/a/greet:latest", second.short], ["-", first.short]]

    told = fn("images", "inspect", "a/greet").out
    assert told.startswith(f"{second.digest}  ")
    assert "label   org.nbfn.handler=meet\n" in told
    assert "code " in told
    assert json.loads(fn("images", "i", first.short, "--output", "json").out)["digest"] == first.digest

    told = fn("images", "diff", first.short, "greet").out
    assert "file     function/func.py" in told
    assert "setting  label org.nbfn.handler" in told
    assert nbfn.diff_images(first, second).after == second.digest
    assert fn("images", "diff", "greet", "greet").err == "They are the same\n"

    assert fn("images", "tag", first.short, "team/old").out == f"team/old is {first.digest}\n"
    assert nbfn.inspect_image("old").digest == first.digest
    refused = fn("images", "tag", first.short, "MINE:BAD")
    assert (refused.code, "has capital letters" in refused.err) == (1, True)
    refused = fn("pull", f"oci:{home}/nowhere", "nbfn.local/a/greet")
    assert (refused.code, "the functions' own names" in refused.err) == (1, True)
    refused = fn("pull", "nbfn.local/a/greet")
    assert (refused.code, "the functions' own names" in refused.err) == (1, True)
    assert fn("images", "verify").out == "All images are sound\n"
    items = ShellComplete(cli, {}, "nbfn", "_NBFN_COMPLETE").get_completions(["images", "inspect"], "")
    assert [item.value for item in items] == ["a/greet", "team/old"]
    items = ShellComplete(cli, {}, "nbfn", "_NBFN_COMPLETE").get_completions(["images", "remove"], "")
    assert [item.value for item in items] == ["team/old"]
    assert fn("images", "remove", "team/old").out == f"team/old:latest was {first.digest}\n"
    gone = fn("images", "remove", "a/greet")
    assert (gone.code, "no image with the name 'a/greet'" in gone.err) == (1, True)
    assert [each.name for each in nbfn.images()] == ["nbfn.local/a/greet:latest"]

    for said, what in ((BadInput, "latest"), (ImageError, "nobody"), (ImageError, "abcdef")):
        nbfn.tag_image(first, "other/old")
        nbfn.tag_image(second, "third/old")
        with pytest.raises(said):
            nbfn.inspect_image("old" if said is BadInput else what)


def test_what_a_function_needs_is_not_pruned(home: Path) -> None:
    needed = nbfn.deploy(greet, app="a", name="one")
    gone = nbfn.deploy(meet, app="a", name="two")
    layout = sessions.current().layout
    for name in ("one", "two"):
        assert layout.remove(f"nbfn.local/a/{name}")
    gone.undeploy()
    assert nbfn.prune_images().blobs == (), "all of it is young"
    with (
        contextlib.suppress(KeyboardInterrupt),
        layout.partial(Descriptor("", digest_of(b""), 9), "") as growing,
    ):
        assert growing
        growing.write(b"in part")
        raise KeyboardInterrupt
    assert fn("images", "prune").out == "Removed 0 blobs and parts of 1 more, 7 B\n"
    done = json.loads(fn("images", "prune", "--older-than", "0", "--output", "json").out)
    assert done["freed"] > 0
    assert needed("Ana") == "Hello, Ana!"
    assert nbfn.images() == []
    (kept,) = nbfn.images(unnamed=True)
    assert kept.handler == "greet"

    nbfn.tag_image(kept.digest, "team/broken")
    layout.blob(layout.get("team/broken").layers[-1].descriptor.digest).write_text("no")
    found = fn("images", "verify")
    assert found.code == 1
    assert "team/broken:latest" in found.out
    assert "damaged: team/broken" in found.err


@pytest.mark.needs("docker-registry")
def test_a_cells_image_goes_to_a_registry_and_comes_back(home: Path, tmp_path: Path) -> None:
    made = nbfn.deploy(greet, app="a")
    done = fn("push", "greet")
    assert done.code == 1
    assert "has no registry to go to" in done.err
    with running(tmp_path / "registry") as registry:
        done = fn("--registry", f"{registry.host}/team", "push", "a/greet")
        assert done.code == 0, done.err
        assert done.out.startswith(f"Pushed {registry.host}/team/greet")
        assert "100 %" in done.err
        assert "it brings no Python" in done.err
        pushed = nbfn.push_image(made, f"{registry.host}/team/greet:2")
        assert pushed.digest in done.out
        done = fn("pull", f"{registry.host}/team/greet:2", "b/greet:2")
        assert done.code == 0, done.err
        assert pushed.digest in done.out
    assert nbfn.inspect_image("b/greet:2").digest == pushed.digest
    archive = nbfn.push_image("b/greet:2", f"oci-archive:{home / 'greet.tar'}")
    assert nbfn.pull_image(f"oci-archive:{home / 'greet.tar'}").digest == archive.digest == pushed.digest
    # What came back is run by the executor.
    assert fn("create", "f", "a", "again", f"b/greet:2@{pushed.digest}").code == 0
    assert fn("invoke", "a", "again", "-d", '"Bo"').out == '"Hello, Bo!"'


@pytest.mark.needs("docker-registry")
def test_an_interrupted_pull_says_that_it_can_go_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "registry") as registry:
        where = f"{registry.host}/team/greet:1"
        digest = nbfn.push_image(nbfn.deploy(greet, app="a"), where).digest
        monkeypatch.setenv("NBFN_STATE", str(tmp_path / "other"))
        sessions.use(sessions.Session())

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("nbfn.containerize.files.Growing.finish", interrupt)
            done = fn("pull", where)
        assert done.code == 1
        assert "interrupted" in done.err
        assert "the same pull goes on there" in done.err
        assert list(sessions.current().layout.partials.iterdir())
        assert digest in fn("pull", where).out


def test_each_percent_is_told_once() -> None:
    told: list[Step] = []
    progress = metered(told.append)
    for done in (0, 1, 2, 100, 400, 400):
        progress("push", done, 400)
    progress("other", 0, 0)
    assert [(step.what, step.percent, step.over) for step in told] == [
        ("push", 0, False),
        ("push", 25, False),
        ("push", 100, True),
        ("other", 100, True),
    ]
    assert str(told[1]).split() == ["push", "0.0", "of", "0.0", "MB", "25", "%"]


def test_a_small_push_tells_its_end_once() -> None:
    said: list[str] = []
    pushing = Pushing(said.append)
    for done in (0, 20_000, 60_000, 100_000, 120_000, 120_000):
        pushing("push", done, 120_000)
    assert said == [f"Pushing the image: {mb} of 0.1 MB" for mb in ("0.0", "0.1")]

"""``images``: what is in this machine's store of images. And ``pull``, which brings one there."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from nbfn.commands import complete
from nbfn.commands.edge import Edge, edge
from nbfn.commands.grammar import HELP, Words, output_option
from nbfn.commands.options import Number
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbfn.containerize import Changes, Description, Listed

images = Words(
    "images",
    help="Images on this machine: list, inspect, compare, name, remove, verify and prune them.\n\n"
    "IMAGE is FUNCTION or APP/FUNCTION (what was built last), a listed name, or a digest's first digits.",
    context_settings=HELP,
)


def image_argument(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An argument that names an image, with completion."""
    return click.argument(name, metavar=name.upper(), shell_complete=complete.images)


@images.command("list", context_settings=HELP)
@click.option("--all", "-a", "everything", is_flag=True, help="Earlier revisions too, which have no name.")
@output_option
@edge
def list_images(edge: Edge, everything: bool, output: str | None) -> None:
    """List the images."""
    from nbfn import verbs

    found = verbs.images(unnamed=everything, session=edge.session)
    if output:
        edge.show.document([asdict(each) for each in found])
    elif not found:
        edge.show.note("No images found")
    else:
        edge.show.table(("IMAGE", "DIGEST", "SIZE", "PYTHON", "HANDLER", "CAME"), list(map(_row, found)))


@images.command("inspect", context_settings=HELP)
@image_argument("image")
@output_option
@edge
def inspect(edge: Edge, image: str, output: str | None) -> None:
    """Show what is in an image: how it starts, layers, packages."""
    from nbfn import verbs

    found = verbs.inspect_image(image, session=edge.session)
    if output:
        edge.show.document(asdict(found))
        return
    edge.show.say(_summary(found))
    layers = [
        (each.what, _size(each.size), str(len(each.files)), _short(each.digest)) for each in found.layers
    ]
    edge.show.table(("LAYER", "SIZE", "FILES", "DIGEST"), layers)
    if found.packages:
        edge.show.table(("PACKAGE", "VERSION"), [(each.name, each.version) for each in found.packages])


@images.command("diff", context_settings=HELP)
@image_argument("before")
@image_argument("after")
@output_option
@edge
def diff(edge: Edge, before: str, after: str, output: str | None) -> None:
    """Show what differs between two images: files, packages, settings, sizes."""
    from nbfn import verbs

    found = verbs.diff_images(before, after, session=edge.session)
    if output:
        edge.show.document(asdict(found))
        return
    edge.show.say(str(found).split("\n", 1)[0])
    if not found:
        edge.show.note("They are the same")
        return
    edge.show.table(("", "WHAT", "BEFORE", "AFTER"), _changed(found))


@images.command("tag", context_settings=HELP)
@image_argument("image")
@click.argument("name", metavar="NAME[:TAG]")
@edge
def tag(edge: Edge, image: str, name: str) -> None:
    """Give an image another name."""
    from nbfn import verbs

    made = verbs.tag_image(image, name, session=edge.session)
    edge.show.say(f"{name} is {made.digest}")


@images.command("remove", context_settings=HELP)
@click.argument("name", metavar="NAME[:TAG]", shell_complete=complete.given_names)
@edge
def remove(edge: Edge, name: str) -> None:
    """Take a name away. What nothing else needs goes with the next prune."""
    from nbfn import verbs

    was = verbs.untag_image(name, session=edge.session)
    edge.show.say(f"{was.repository}:{was.tag} was {was.digest}")


@images.command("verify", context_settings=HELP)
@output_option
@edge
def verify(edge: Edge, output: str | None) -> None:
    """Check every byte of every image. Exit code 1 if one is damaged."""
    from nbfn import verbs

    found = verbs.verify_images(session=edge.session)
    if output:
        edge.show.document({name: list(problems) for name, problems in found.items()})
    elif found:
        rows = [(name, problem) for name, problems in found.items() for problem in problems]
        edge.show.table(("IMAGE", "PROBLEM"), rows)
    else:
        edge.show.say("All images are sound")
    if found:
        raise ImageError(
            f"damaged: {', '.join(found)}",
            hint="remove the files that are damaged, and deploy the functions again, or pull: what is "
            "missing is made anew; what nothing needs is pruned",
        )


@images.command("prune", context_settings=HELP)
@click.option("--older-than", type=Number(0), default=3600.0, metavar="S", help="In seconds.  [3600]")
@output_option
@edge
def prune(edge: Edge, older_than: float, output: str | None) -> None:
    """Remove what neither a name nor a function of this machine's executor needs, or came only in part."""
    from nbfn import verbs

    done = verbs.prune_images(grace_s=older_than, session=edge.session)
    if output:
        edge.show.document(asdict(done))
    else:
        parts = f" and parts of {len(done.partials)} more" if done.partials else ""
        edge.show.say(f"Removed {len(done.blobs)} blobs{parts}, {_size(done.freed)}")


@click.command(context_settings=HELP)
@click.argument("where", metavar="HOST/NAME:TAG")
@click.argument("name", metavar="[NAME[:TAG]]", required=False)
@edge
def pull(edge: Edge, where: str, name: str | None) -> None:
    """Bring an image here from a registry, or from docker-daemon:NAME, oci-archive:FILE, oci:FOLDER."""
    from nbfn import verbs

    try:
        made = verbs.pull_image(where, name or "", session=edge.session, progress=edge.show.meter())
    except KeyboardInterrupt:
        edge.show.note(
            "interrupted: nothing half-made is named; from a registry, the same pull goes on there"
        )
        raise
    edge.show.say(f"Pulled {made}")


def push_image(edge: Edge, image: str, where: str) -> None:
    """What ``push IMAGE [WHERE]`` does."""
    from nbfn import verbs
    from nbfn.containerize.host import HOST_LABEL

    needs = verbs.inspect_image(image, session=edge.session).labels.get(HOST_LABEL)
    made = verbs.push_image(image, where, session=edge.session, progress=edge.show.meter())
    edge.show.say(f"Pushed {made}")
    if needs:
        edge.show.note(f"it brings no Python: it runs where nbfn's executor has {needs} (see --base)")


def _row(found: Listed) -> Sequence[str]:
    came = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.kept_at)) if found.kept_at else ""
    what = found.problem or found.handler
    return found.name or "-", _short(found.digest), _size(found.size), found.python, what, came


def _summary(found: Description) -> str:
    lines = [
        f"{found.digest}  {_size(found.size)}, {found.platform}",
        f"starts  {' '.join(found.entrypoint)}  (in {found.working_dir}, as {found.user})",
    ]
    return "\n".join([*lines, *(f"label   {name}={value}" for name, value in sorted(found.labels.items()))])


def _changed(found: Changes) -> list[Sequence[str]]:
    parts = {"setting": found.settings, "package": found.packages, "file": found.files}
    return [
        (kind, each.what, each.before or "-", each.after or "-") for kind in parts for each in parts[kind]
    ]


def _size(size: int) -> str:
    from nbfn.containerize.describe import readable

    return readable(size)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]

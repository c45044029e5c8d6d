"""Which image of a list is the one for a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbfn.containerize.image import MANIFEST_TYPES, Descriptor
from nbfn.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a machine of this kind is if a list does not say: the specification's defaults.
_DEFAULT_VARIANT = {"arm64": "v8", "arm": "v7"}


def choose(index: Mapping[str, Any], platform: Mapping[str, str], what: str) -> Descriptor:
    """The image in ``index`` (an image index or a manifest list) for ``platform``.

    Raises:
        ImageError: there is none; the message has those that there are. ``what`` names the list.
    """
    listed = index.get("manifests")
    if not isinstance(listed, list):
        raise ImageError(f"{what} is damaged: its list of images is none")
    found: list[str] = []
    for entry in listed:
        about = entry.get("platform") if isinstance(entry, dict) else None
        if not isinstance(about, dict) or entry.get("mediaType") not in MANIFEST_TYPES:
            continue  # attestations and the like
        if _same(about, platform):
            return Descriptor.read(entry, f"an image in {what}")
        found.append(text(about))
    plain = [entry for entry in listed if isinstance(entry, dict) and "platform" not in entry]
    if len(listed) == len(plain) == 1:
        return Descriptor.read(plain[0], f"the image in {what}")
    there = ", ".join(sorted(set(found) - {"unknown/unknown"})) or "no platform at all"
    raise ImageError(
        f"{what} has no image for {text(platform)}; it is for {there}",
        hint="use an image that was made for this platform too",
    )


def text(platform: Mapping[str, Any]) -> str:
    """``linux/arm64/v8``."""
    return "/".join(str(platform[key]) for key in ("os", "architecture", "variant") if platform.get(key))


def _same(about: Mapping[str, Any], platform: Mapping[str, str]) -> bool:
    return _normal(about) == _normal(platform)


def _normal(platform: Mapping[str, Any]) -> tuple[str, str, str]:
    architecture = str(platform.get("architecture", ""))
    variant = str(platform.get("variant") or _DEFAULT_VARIANT.get(architecture, ""))
    return str(platform.get("os", "")), architecture, variant

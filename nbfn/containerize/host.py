"""Facts of this interpreter and machine, and whether an image fits them."""

from __future__ import annotations

import platform
import sys
import sysconfig
from typing import TYPE_CHECKING

from nbfn.errors import ImageError
from nbfn.spec import PythonVersion

if TYPE_CHECKING:
    from nbfn.containerize.image import Image

HOST_LABEL = "org.nbfn.host"
PYTHON_LABEL = "org.nbfn.python"

# What uname says → what Go, and so the OCI specification, calls it.
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "arm64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "loongarch64": ("loong64", ""),
}


def soabi() -> str:
    """What compiled packages of this interpreter are tied to: ``cpython-311-x86_64-linux-gnu``."""
    return str(sysconfig.get_config_var("SOABI") or f"{sys.implementation.cache_tag}-{platform.machine()}")


def python() -> PythonVersion:
    """The minor version of this interpreter."""
    return PythonVersion(*sys.version_info[:2])


def machine_platform() -> dict[str, str]:
    """This machine as an image's config says it: ``os``, ``architecture``, ``variant`` if it has one."""
    machine = platform.machine().lower()
    architecture, variant = _ARCHITECTURES.get(machine, (machine, ""))
    found = {"os": "linux", "architecture": architecture}
    return {**found, "variant": variant} if variant else found


def brings_root(image: Image) -> bool:
    """True if ``image`` has a system of its own; False if it is of base ``host``."""
    runs = image.config.get("config")
    labels = runs.get("Labels") if isinstance(runs, dict) else None
    return not (isinstance(labels, dict) and HOST_LABEL in labels)


def fits(image: Image) -> None:
    """Return if this interpreter can run ``image``.

    An image on another base than ``host`` brings its own Python, so only the machine must fit.

    Raises:
        ImageError: it needs another Python or another machine; the message has both.
    """
    config, labels = image.config, image.labels
    needed, found = labels.get(HOST_LABEL), soabi()
    if needed is not None and needed != found:
        raise ImageError(
            f"the image {image.digest} was built for {needed}, and this Python is {found} ({sys.executable})",
            hint=f"deploy the function again from a kernel of this Python, or start the executor with the "
            f"Python {labels.get(PYTHON_LABEL, '')} that it was built with".replace("  ", " "),
        )
    here = machine_platform()
    if config.get("architecture") != here["architecture"] or config.get("os") != here["os"]:
        raise ImageError(
            f"the image {image.digest} is for {config.get('os')}/{config.get('architecture')}, "
            f"and this machine is {here['os']}/{here['architecture']}",
            hint="deploy the function again from this machine",
        )

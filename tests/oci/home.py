"""A person's home folder with a context of OCI in it: the Fn CLI's files, OCI's, and a registry."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nbfn.containerize import Image
from nbfn.containerize.host import machine_platform, python
from nbfn.containerize.places import Folder
from tests.commands.fnline import at_home, fn
from tests.oci.people import COMPARTMENT, SUBNET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.oci.server import Cloud

VERSIONS = ("20260325", "20181201")
SUBNETS = f'oracle.com/oci/subnetIds=["{SUBNET}"]'


def make_base(folder: Path) -> str:
    """What stands for Fn's image of Python, which no test can fetch: the name of it, and no file."""
    image = Image.empty(machine_platform()).configured(env={"PYTHON_VERSION": f"{python()}.1"}, labels={})
    Folder(folder, "python").store(image)
    return f"oci:{folder}:python"


@contextlib.contextmanager
def at_oracle(home: Path, state: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """At home, as a user whom ``cloud`` knows, with a base that is here."""
    cloud.person().write(home / ".oci")
    monkeypatch.setenv("NBFN_BASE", make_base(home / "base"))
    with at_home(home, state, monkeypatch) as found:
        yield found


def use_oracle(cloud: Cloud, registry: str = "", version: str = VERSIONS[0]) -> None:
    """Make the context ``cloud``, line by line, and use it."""
    lines = [
        ("create", "context", "cloud", "--provider", "oracle", "--api-url", cloud.store.endpoint),
        ("use", "context", "cloud"),
        ("update", "context", "oracle.compartment-id", COMPARTMENT),
        ("update", "context", "oracle.api-version", version),
    ]
    if registry:
        lines.append(("update", "context", "registry", registry))
    for line in lines:
        done = fn(*line)
        assert done.code == 0, done.err

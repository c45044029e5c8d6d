"""A cloud for the tests of OCI, and targets in it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci import OciSettings, OciTarget
from nbfn.deploy.oci.api import Patience
from nbfn.deploy.oci.retry import Backoff
from tests.oci.home import at_oracle
from tests.oci.people import COMPARTMENT, SUBNET
from tests.oci.server import Cloud, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    MakeTarget = Callable[..., OciTarget]


@pytest.fixture(scope="session")
def the_cloud() -> Iterator[Cloud]:
    yield from serve(Cloud())


@pytest.fixture
def cloud(the_cloud: Cloud) -> Iterator[Cloud]:
    """The server, empty."""
    the_cloud.reset()
    yield the_cloud
    the_cloud.reset()


@pytest.fixture
def home(cloud: Cloud, tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder whose owner the server knows; no context means it yet."""
    with at_oracle(tmp_path, state, cloud, monkeypatch) as found:
        yield found


@pytest.fixture
def target_of(cloud: Cloud, tmp_path: Path) -> Iterator[MakeTarget]:
    """``target_of(version=…, **settings)``: a target of a user whom the server knows."""
    config = cloud.person().write(tmp_path / "oci")
    with ExitStack() as stack:

        def make(*, attempts: int = 3, **settings: object) -> OciTarget:
            facts: dict[str, object] = {
                "compartment_id": COMPARTMENT,
                "config_file": config,
                "endpoint": cloud.store.endpoint,
                "subnet_ids": (SUBNET,),
                "environ": {},
                **settings,
            }
            target = OciTarget(
                OciSettings(**facts),  # type: ignore[arg-type]
                backoff=Backoff(attempts=attempts, base_s=0.0),
                patience=Patience(limit_s=30, first_s=0.0),
            )
            stack.callback(target.close)
            return target

        yield make

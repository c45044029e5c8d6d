"""What is held at T2 is held of functions on a base too: they are forked from its Python, in its root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.containerize.places import Tarball
from tests.lacking import lacking
from tests.misbehave.cases import CASES, Case
from tests.misbehave.house import House, house
from tests.misbehave.test_misbehaviour import put_up_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.containerize import Image

pytestmark = [
    pytest.mark.needs("base", "python3.11"),
    pytest.mark.xdist_group("misbehave-own-root"),
]
# Of those that end, the ones whose words come from the watcher, the cgroup or the mounts.
ENDS = {
    *("exits-at-import", "segfaults", "kills-itself", "stops-itself", "hogs-memory", "hogs-shared-memory"),
    *("child-hogs-memory", "fork-bomb", "logs-for-ever", "leaves-daemons", "closes-everything"),
}

# Its /etc/shadow is the base's own.
NOT_HERE = {"reads-the-hosts-files"}


@pytest.fixture(scope="module")
def home(debian: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    base = Tarball(tmp_path_factory.mktemp("base") / "debian.tar")
    base.store(debian)
    with house("T2", str(base)) as made:
        if made.isolation["tier"] != "T2":
            lacking(f"this machine does not allow T2: {made.isolation['missing']}")
        assert list(made.ground.zygotes.glob("*/code/.zygote")), "it is the base's Python that forks"
        yield made


@pytest.mark.parametrize(
    "case",
    [x for x in CASES if x.name in ENDS or (x.held is not None and x.name not in NOT_HERE)],
    ids=lambda case: case.name,
)
def test_a_function_on_a_base_that_misbehaves(home: House, case: Case) -> None:
    put_up_with(case, home)

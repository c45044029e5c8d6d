"""The misbehaviours again with an executor of an ordinary user, who cannot make cgroups as a rule."""

from __future__ import annotations

import pytest

from tests.drivers.given import entering, session
from tests.drivers.test_unprivileged import AS_USER, interpreter_for_everyone, run_tests
from tests.lacking import lacking

# What depends on who the executor is, or on cgroups. The rest is the same.
_CHOSEN = "hogs or bomb or fills or reads or kills-others or calls or becomes or escapes or network"


@pytest.mark.needs("root", "setpriv")
@pytest.mark.parametrize(
    ("name", "which"),
    [
        ("misbehaviour", "T1 and "),
        ("misbehaviour", "T2 and "),
        pytest.param("own_root", "", marks=pytest.mark.needs("base")),
    ],
    ids=["T1", "T2", "own-root"],
)
def test_misbehaviours_as_an_ordinary_user(name: str, which: str) -> None:
    python = interpreter_for_everyone()
    if python is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    run_tests(python, f"misbehave/test_{name}", f"{which}({_CHOSEN})", before=AS_USER)


@pytest.mark.needs("root", "setpriv")
def test_misbehaviours_as_an_ordinary_user_to_whom_cgroups_were_given() -> None:
    python = interpreter_for_everyone()
    if python is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    with session() as groups:
        before = (*entering(*groups), *AS_USER)
        run_tests(python, "misbehave/test_misbehaviour", "hogs-memory or leaves-its", before=before)

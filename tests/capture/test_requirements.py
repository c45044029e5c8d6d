"""What is asked for beside the imports: pinned to what is installed here, or left to a base with wheels."""

from __future__ import annotations

import pytest
from packaging.version import Version

from nbfn.capture import capture
from nbfn.capture.modules import version_of
from nbfn.capture.requirements import pinned
from nbfn.errors import RequirementError

from .kernel import Kernel

NUMPY = version_of("numpy") or ""
ABSENT = "nbfn-test-absent"
USES = "def greet():\n    import nbfn_test_absent\n    return nbfn_test_absent.VERSION"


def test_what_is_not_here_is_fetched_for_a_base_with_wheels() -> None:
    kernel = Kernel("absent").run(USES)
    target = kernel.namespace["greet"]
    assert callable(target)
    taken = capture(target, namespace=kernel.namespace, requires=[ABSENT, "numpy"], fetch=True)
    assert taken.requirements == (f"numpy=={NUMPY}", ABSENT)
    assert "import nbfn_test_absent" in taken.source
    assert [row.origin for row in taken.taken if row.kind == "package"] == [
        f"numpy {NUMPY}",
        f"{ABSENT} (wheel)",
    ]
    assert not taken.left
    with pytest.raises(RequirementError, match=r"imports 'nbfn_test_absent'.*not installed here"):
        capture(target, namespace=kernel.namespace, requires=["numpy"], fetch=True)
    with pytest.raises(RequirementError, match="not installed here"):
        kernel.capture("greet", [ABSENT])


def test_a_version_that_is_not_here() -> None:
    newer = f"numpy>={Version(NUMPY).major + 1}"
    assert pinned(["numpy"], [newer], fetch=True) == (newer,), "instead of the one that is imported here"
    assert pinned((), ["a[x]>=1", "numpy", "a<2"], fetch=True) == (f"numpy=={NUMPY}", "a<2", "a[x]>=1")
    at = f"{ABSENT} @ https://example.org/absent-1.0-py3-none-any.whl"
    assert pinned((), [at, "other; python_version<'3'"], fetch=True) == (at,)
    with pytest.raises(RequirementError, match=r"numpy .* is installed here"):
        pinned(["numpy"], [newer])
    with pytest.raises(RequirementError, match="is not a requirement"):
        pinned((), ["no such thing!"], fetch=True)

"""Instances of an executor that is root are somebody else, where they have no root of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbfn import config
from nbfn.drivers import make_driver
from nbfn.drivers.sandbox import ground, interpreter
from nbfn.drivers.sandbox.confine import linux, proctree
from tests.drivers.rig import Output, call, make_image, make_request, rights_of
from tests.drivers.test_unprivileged import interpreter_for_everyone, run_tests
from tests.lacking import lacking

if TYPE_CHECKING:
    from nbfn.drivers.base import Instance

pytestmark = [pytest.mark.anyio, pytest.mark.needs("root")]
TIERS = pytest.mark.parametrize("tier", ["T0", "T1"])
ZYGOTES = pytest.mark.parametrize("zygotes", ["0", "4"])
REPOSITORY = Path(__file__).parents[2]
CHOSEN = "not T2 and (not TestSandbox or answers or leaves_nothing or many_start)"


async def identity(instance: Instance) -> tuple[int, str]:
    """Its user, and the capabilities it holds."""
    status = await call(instance, "status")
    assert isinstance(status, dict)
    assert status["Uid"].split() == status["Gid"].split() == [str(status["uid"])] * 4
    assert status["Groups"].strip() == ""
    return status["uid"], status["CapPrm"]


@TIERS
@ZYGOTES
async def test_it_is_a_user_that_nobody_is(state: Path, tier: str, zygotes: str) -> None:
    chosen = {"NBFN_DRIVER": "sandbox", "NBFN_TIER": tier, "NBFN_ZYGOTES": zygotes}
    settings = config.load({"NBFN_STATE": str(state), **chosen})
    image = make_image(settings.images)
    driver = make_driver(settings)
    first, second = [await driver.start(make_request(image), Output()) for _ in range(2)]
    try:
        uid, held = await identity(first)
        assert uid in ground.USERS
        assert held == rights_of(settings)
        other, _ = await identity(second)
        assert (uid == other) == (zygotes == "4"), "those of one zygote are one user"
        environment = await call(first, "environment")
        assert isinstance(environment, dict)
        assert await call(first, "write", f"{environment['HOME']}/x") == "written"
        assert await call(first, "write", f"{REPOSITORY}/x") == "PermissionError"
        assert "own user" in driver.isolation.mechanisms[-1]
    finally:
        for instance in (first, second):
            await instance.stop()
        await driver.close()
    assert proctree.of_users({uid, other}) == []


def test_what_they_need_is_where_others_may_pass_if_the_interpreter_is(
    state: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ground, "OPEN", tmp_path / "open")
    gone = ground._open(tmp_path / "a-state-that-is-gone")
    monkeypatch.setattr(ground, "_try", lambda *_: "")
    settings = config.load({"NBFN_STATE": str(state)})
    found, why = ground.find(settings, "T1", interpreter.base())
    assert (found.passable, why) == (True, "")
    assert not gone.run.parent.exists()
    for folder in (found.layers, found.zygotes, found.run, found.run.parent, found.run.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o711
    former = os.umask(0o077)
    try:
        found.run.rmdir()
        found.make_run()
        found.make(found.run / "an-instance")
    finally:
        os.umask(former)
    for folder in (found.run, found.run / "an-instance"):
        assert folder.stat().st_mode & 0o777 == 0o711
    os.chown(found.run.parent, 4711, 4711)
    with pytest.raises(OSError, match="belongs to user 4711"):
        ground._open(state)


async def test_without_the_rights_to_change_its_user_it_says_so(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linux, "effective_capabilities", lambda: ~(1 << 7))
    settings = config.load({"NBFN_STATE": str(state), "NBFN_TIER": "T1", "NBFN_DRIVER": "sandbox"})
    driver = make_driver(settings)
    assert driver.isolation.missing[-1] == (
        "own user (root here is without CAP_SETUID): functions run as root, without its capabilities"
    )
    instance = await driver.start(make_request(make_image(settings.images)), Output())
    assert await identity(instance) == (0, "0" * 16)
    await instance.stop()
    await driver.close()


@pytest.mark.parametrize("name", ["sandbox", "zygotes", "killed_executor"])
def test_the_sandbox_where_the_interpreter_is_everybodys(name: str) -> None:
    python = interpreter_for_everyone()
    if python is None:
        lacking("no interpreter of this minor that an ordinary user may execute")
    run_tests(python, f"drivers/test_{name}", CHOSEN)


@pytest.mark.needs("docker", "toolchains")
@pytest.mark.parametrize("name", ["sandbox", "zygotes", "killed_executor"])
def test_the_sandbox_as_root_of_a_container(name: str) -> None:
    """With Docker's default rights: no namespaces, no cgroups, and no look at others' processes."""
    if sys.version_info[:2] != (3, 11):
        lacking("the container's Python is 3.11, and this one's packages are not for it")
    packages = [path for path in sys.path if path.endswith("site-packages")]
    binds = [f"--volume={path}:{path}:ro" for path in (str(REPOSITORY), *packages)]
    # How a secret is searched for takes a look at others' memory; a root of its own takes T2.
    chosen = (
        "not T2 and not OnUvloop and not root and not no_other_can_find"
        " and (not TestSandbox or answers or leaves_nothing or many_start)"
    )
    done = subprocess.run(
        [
            *("docker", "run", "--rm", f"--workdir={REPOSITORY}", *binds),
            f"--env=PYTHONPATH={':'.join([str(REPOSITORY), *packages])}",
            *(f"--env=CI={os.environ.get('CI', '')}", "nbfn-test/base"),
            *("python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
            *("-k", chosen, f"tests/drivers/test_{name}.py"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]

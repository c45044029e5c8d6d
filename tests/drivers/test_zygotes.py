"""Zygotes with real processes: who shares one, what an instance can learn of it, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from nbfn import config
from nbfn.drivers import Guarded, SandboxDriver
from nbfn.drivers.base import StartFailed
from nbfn.drivers.sandbox import strain, zygote
from nbfn.drivers.sandbox.cell import CellFailed
from nbfn.drivers.sandbox.confine import proctree
from nbfn.drivers.sandbox.image import Program
from tests.drivers.rig import HOST, ImageRef, Output, call, ground_of, make_image, make_request, rights_of
from tests.lacking import lacking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from nbfn.config import Settings
    from nbfn.containerize import Image
    from nbfn.drivers.sandbox.zygote import Zygote

pytestmark = pytest.mark.anyio


class Function(Protocol):
    """Makes an image with ``note`` in its code that asks for ``preload``; ``python`` is a layer below."""

    def __call__(self, note: str, *preload: str, python: dict[str, str] | None = None) -> ImageRef: ...


SECRET = "a secret that is in no other process"


@pytest.fixture(params=("T0", "T1", "T2", pytest.param("own root", marks=pytest.mark.needs("base"))))
def ground(request: pytest.FixtureRequest) -> str:
    """A tier; or an image on Debian, with that one's Python."""
    return str(request.param)


@pytest.fixture
def tier(ground: str) -> str:
    return "T2" if ground == "own root" else ground


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests with a Debian share, to unpack it once."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def settings(state: Path, tier: str, ground: str, kept: Path) -> Settings:
    for folder in ("images", "layers") if ground == "own root" else ():
        (kept / folder).mkdir(exist_ok=True)
        (state / folder).symlink_to(kept / folder)
    return config.load({"NBFN_STATE": str(state), "NBFN_TIER": tier, "NBFN_ZYGOTES": "2"})


@pytest.fixture
async def driver(settings: Settings, tier: str) -> AsyncIterator[Guarded]:
    driver = Guarded(SandboxDriver(settings))
    if driver.isolation.tier != tier:
        lacking(f"this machine does not allow {tier}: {driver.isolation.missing}")
    yield driver
    await driver.close()
    assert not list(ground_of(settings).zygotes.glob("*")), "no zygote outlives its driver"


@pytest.fixture
def function(settings: Settings, ground: str, request: pytest.FixtureRequest) -> Function:
    on: Image | None = request.getfixturevalue("debian") if ground == "own root" else None

    def make(note: str, *preload: str, python: dict[str, str] | None = None) -> ImageRef:
        entry = json.dumps({"schema": 1, "preload": preload}).encode()
        code: dict[str, bytes | Path] = {"function/note.txt": note.encode(), "function/nbfn.json": entry}
        below = {f"python/{name}": text.encode() for name, text in (python or {}).items()}
        return make_image(settings.images, code, below=below, host="" if on else HOST, on=on)

    return make


def alive(driver: Guarded) -> frozenset[Zygote]:
    assert isinstance(driver._inner, SandboxDriver)
    return driver._inner._zygotes.alive


async def the_zygote(driver: Guarded) -> tuple[Zygote, int]:
    """The one there is, and the process that forks."""
    (found,) = alive(driver)
    return found, await forker(found)


async def forker(found: Zygote) -> int:
    """The parent of its next stem cell."""
    found.refill()
    cell = found._cells[0]
    await cell.grown
    assert cell._watcher
    return parent(cell._watcher.pid)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def namespace(pid: int, kind: str) -> str:
    return str(Path(f"/proc/{pid}/ns/{kind}").readlink())


async def until(condition: Callable[[], bool]) -> None:
    """Returns when it holds; the test's own timeout ends it otherwise."""
    while not condition():  # noqa: ASYNC110 - of processes, which set no event
        await asyncio.sleep(0.005)


def holds(pid: int, secret: bytes) -> bool:
    """True if the memory of this process holds ``secret``."""
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found:
                start, end = (int(number, 16) for number in found.groups())
                memory.seek(start)
                with contextlib.suppress(OSError):
                    if secret in memory.read(end - start):
                        return True
    return False


async def test_functions_with_the_same_packages_share_one(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    images = [function("one"), function("two"), function("three", "json")]
    instances = await asyncio.gather(*(driver.start(make_request(image), Output()) for image in images))
    assert sorted(found.instances for found in alive(driver)) == [1, 2]
    notes = []
    for instance in instances:
        env = await call(instance, "environment")
        assert isinstance(env, dict)
        notes.append(await call(instance, "read", env.get("NBFN_FUNCTION_DIR", "/function") + "/note.txt"))
    assert notes == ["one", "two", "three"]


async def test_preparing_makes_it(driver: Guarded, settings: Settings, function: Function) -> None:
    image = function("one")
    await driver.prepare(image)
    (found,) = alive(driver)
    assert (found.living, found.instances) == (True, 0)
    await driver.start(make_request(image), Output())
    assert alive(driver) == {found}
    assert found.instances == 1


async def test_packages_are_imported_before_the_fork(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    python = {"told.py": "import os\nwho = os.getuid(), open('/proc/self/status').read()\n"}
    image = function("one", "told", python=python)
    instance = await driver.start(make_request(image), Output())
    uid, status = await call(instance, "attribute", "told", "who")  # type: ignore[misc]
    assert "Threads:\t1\n" in status
    if tier == "T2":
        assert uid == 1000
    elif os.geteuid() == 0:
        assert f"CapEff:\t{rights_of(settings)}\n" in status


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import _thread, time; _thread.start_new_thread(time.sleep, (600,))", "started 1 threads"),
        ("kept = open('/dev/null')", "left files open"),
        ("import os; os.fork() or os._exit(0)", "started a process"),
        ("import os; os._exit(3)", "died while it imported"),
        ("import os; os.kill(os.getpid(), 9)", "died while it imported"),
    ],
)
async def test_where_there_can_be_none_instances_start_without(
    driver: Guarded,
    settings: Settings,
    text: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
    function: Function,
) -> None:
    image = function("one", "odd", python={"odd.py": text})
    instance = await driver.start(make_request(image), Output())
    assert await call(instance, "echo", 1) == 1
    assert not alive(driver)
    assert reason in caplog.text
    caplog.clear()
    await driver.start(make_request(image), Output())
    assert not caplog.records, "it is said once, and not tried again"


@pytest.mark.parametrize("ground", [pytest.param("own root", marks=pytest.mark.needs("base"))], indirect=True)
@pytest.mark.parametrize("python", ["usr/lib/python3.11/ctypes/__init__.py", "usr/bin/python3.11"])
async def test_a_python_that_cannot_be_one_starts_the_function_alone(
    driver: Guarded, settings: Settings, debian: Image, python: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = make_image(settings.images, {}, below={python: b"this is no Python"}, host="", on=debian)
    starting = driver.start(make_request(image), Output())
    if "bin" in python:
        with pytest.raises(StartFailed, match=r"python3.*(Permission|format)"):
            await starting
        assert "without imports start without a zygote: cannot execute 'python3'" in caplog.text
    else:
        assert await call(await starting, "echo", 1) == 1
        assert "without imports start without a zygote: it died while it imported" in caplog.text


@pytest.mark.parametrize("text", ["raise RuntimeError('no')", "raise SystemExit", "this is no Python"])
async def test_an_import_that_fails_is_left_to_the_function(
    driver: Guarded, settings: Settings, text: str, function: Function
) -> None:
    image = function("one", "odd", "a_module_that_is_missing", python={"odd.py": text})
    instance = await driver.start(make_request(image), Output())
    assert await call(instance, "echo", 1) == 1
    (found,) = alive(driver)
    assert found.instances == 1


LIES = """
import sys
passing = sys.modules["confine.passing"]
send = passing.send

def lie(to, message, descriptors=()):
    send(to, {lie} if {when} else message, descriptors)

passing.send = lie
"""


IMPORTED = "'not_imported' in message"
GROWN = "not message"


@pytest.mark.parametrize(
    ("when", "lie"),
    [(IMPORTED, "7"), (IMPORTED, "['not_imported']"), (IMPORTED, "{'not_imported': 7}"), (GROWN, "7")],
)
async def test_a_package_that_has_its_zygote_talk_nonsense_does_without(
    driver: Guarded,
    settings: Settings,
    when: str,
    lie: str,
    caplog: pytest.LogCaptureFixture,
    function: Function,
) -> None:
    image = function("one", "liar", python={"liar.py": LIES.format(when=when, lie=lie)})
    instance = await driver.start(make_request(image), Output())
    assert await call(instance, "echo", 1) == 1
    assert re.search("it told what no (zygote|stem cell) tells", caplog.text)


@pytest.mark.parametrize(
    "lie", ["7", "{'status': 'x'}", "{'status': 1 << 40}", "{'status': 127}", "{'status': [], 'over': 5}"]
)
async def test_a_package_that_has_its_watchers_talk_nonsense_does_not_keep_them(
    driver: Guarded, settings: Settings, lie: str, function: Function
) -> None:
    image = function("one", "liar", python={"liar.py": LIES.format(when="'status' in message", lie=lie)})
    instance = await driver.start(make_request(image), Output())
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        await call(instance, "leave", 3)
    await instance.wait()
    assert list(ground_of(settings).run.iterdir()) == []


async def test_settings_that_are_read_at_the_start_of_a_process_take_one(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    image = function("one")
    for name in ("PYTHONHASHSEED", "OMP_NUM_THREADS", "LC_ALL"):
        instance = await driver.start(make_request(image, **{name: "1"}), Output())
        assert (await call(instance, "environment"))[name] == "1"  # type: ignore[index]
        (found,) = alive(driver)
        assert found.instances == 0
        await instance.stop()


async def test_instances_draw_different_numbers(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    image = function("one", "random")
    instances = [await driver.start(make_request(image), Output()) for _ in range(4)]
    drawn = [await call(instance, "draw") for instance in instances]
    assert None not in drawn
    assert len(set(drawn)) == 4


async def test_what_one_function_is_told_no_other_can_find(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    image = function("one")
    first = await driver.start(make_request(image, NBFN_KEY=SECRET.encode().hex()), Output())
    second = await driver.start(make_request(image), Output())
    secret = SECRET.encode().hex().encode()
    by_name = {
        name: [pid for pid, found in proctree.marked("NBFN_INSTANCE_ID").items() if found == name]
        for name in (first.id, second.id, (await the_zygote(driver))[0].folder.name)
    }
    assert any(holds(pid, secret) for pid in by_name.pop(first.id)), "the search finds what is there"
    for pids in by_name.values():
        assert pids
        assert not any(holds(pid, secret) for pid in pids)


async def test_an_instance_sees_its_own_code_alone(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    first = await driver.start(make_request(function("of the first")), Output())
    second = await driver.start(make_request(function("of the second")), Output())
    (found,) = alive(driver)
    notes = list(found.folder.glob("code/*/function/note.txt"))
    assert {note.read_text() for note in notes} == {"of the first", "of the second"}
    if tier == "T0":
        return  # nothing hides files there
    (other,) = [note for note in notes if note.read_text() == "of the first"]
    inside = Path("/.code", *other.parts[-3:]) if tier == "T2" else other
    for path in (inside, other):
        assert await call(second, "read", str(path)) in ("FileNotFoundError", "PermissionError")
    if tier == "T2":
        assert "Error" in str(await call(second, "attempt", "listdir", "/.code"))
    assert "Error" in str(await call(second, "write", str(inside), "x"))
    await first.stop()


async def test_an_instance_sees_no_process_of_others(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    if tier != "T2":
        pytest.skip("takes a pid namespace")
    image = function("one")
    await driver.start(make_request(image), Output())
    instance = await driver.start(make_request(image), Output())
    seen = await call(instance, "attempt", "listdir", "/proc")
    assert re.findall(r"'(\d+)'", str(seen)) == ["1", "2"]
    assert "Error" in str(await call(instance, "read", "/proc/1/environ"))
    await call(instance, "attempt", "kill", 1, signal.SIGKILL)  # process 1 does not hear it
    assert await call(instance, "echo", 1) == 1
    _, forks = await the_zygote(driver)
    for kind in ("mnt", "pid", "user", "ipc", "uts"):
        assert await call(instance, "attempt", "readlink", f"/proc/self/ns/{kind}") != namespace(forks, kind)


async def test_the_zygote_can_be_killed_without_harm_to_instances(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    image = function("one")
    first = await driver.start(make_request(image), Output())
    dead, forks = await the_zygote(driver)
    os.kill(forks, signal.SIGKILL)
    await until(lambda: not dead.living)
    assert await call(first, "echo", 1) == 1
    second = await driver.start(make_request(image), Output())
    assert await call(second, "echo", 2) == 2
    assert len(alive(driver)) == 2
    assert (await first.stop()).signal == signal.SIGKILL
    await until(lambda: dead not in alive(driver) and not dead.folder.exists())
    assert await call(second, "echo", 3) == 3


async def test_a_dead_stem_cell_is_not_what_a_function_gets(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    image = function("one")
    await driver.prepare(image)
    (found,) = alive(driver)
    for cell in found._cells:
        await cell.grown
        assert cell._watcher
        cell._watcher.kill()
        await until(lambda pid=cell._watcher.pid: not Path(f"/proc/{pid}").exists())  # type: ignore[misc]
    instance = await driver.start(make_request(image), Output())
    assert await call(instance, "echo", 1) == 1


async def test_the_one_unused_for_longest_makes_room(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    images = [function("one", *preload) for preload in ((), ("json",), ("random",))]
    instances = [await driver.start(make_request(image), Output()) for image in images]
    assert [found.strain.preload for found in alive(driver) if not found.living] == [()]
    assert await call(instances[0], "echo", 1) == 1
    await instances[0].stop()
    await until(lambda: {found.strain.preload for found in alive(driver)} == {("json",), ("random",)})


async def test_one_that_nobody_uses_goes(driver: Guarded, settings: Settings, function: Function) -> None:
    assert isinstance(driver._inner, SandboxDriver)
    instance = await driver.start(make_request(function("one")), Output())
    driver._inner._zygotes._idle_s = 0.0
    (found,) = alive(driver)
    await instance.stop()
    await until(lambda: not alive(driver) and not found.folder.exists())
    assert not [pid for pid, name in proctree.marked("NBFN_INSTANCE_ID").items() if name == found.folder.name]


async def test_many_more_than_there_are_stem_cells(
    driver: Guarded, settings: Settings, function: Function
) -> None:
    image = function("one")
    instances = await asyncio.gather(
        *(driver.start(make_request(image, WHO=str(n)), Output()) for n in range(10))
    )
    answers = await asyncio.gather(*(call(instance, "environment") for instance in instances))
    assert [env["WHO"] for env in answers if isinstance(env, dict)] == [str(n) for n in range(10)]
    (found,) = alive(driver)
    assert found.instances == 10
    assert zygote.STEM_CELLS < 10


async def test_many_lives_leave_nothing_open(
    driver: Guarded, settings: Settings, tier: str, function: Function
) -> None:
    """Neither descriptors nor processes nor folders, whatever dies when."""
    image = function("one")

    async def live(number: int) -> None:
        instance = await driver.start(make_request(image), Output())
        assert await call(instance, "echo", number) == number
        if number % 5 == 0:
            found = max(alive(driver), key=lambda each: each.living)
            with contextlib.suppress(CellFailed, asyncio.CancelledError, OSError):  # somebody else was first
                os.kill(await forker(found), signal.SIGKILL)
        await instance.stop()

    await driver.prepare(image)
    await live(1)
    before = descriptors()
    for start in range(1, 13, 3):
        await asyncio.gather(*(live(number) for number in range(start, start + 3)))
    await until(lambda: sum(found.living for found in alive(driver)) == len(alive(driver)) <= 1)
    driver._inner._zygotes._idle_s = 0.0  # type: ignore[attr-defined]
    await live(1)
    await until(lambda: not alive(driver) and not list(ground_of(settings).zygotes.iterdir()))
    assert descriptors() < before
    assert list(ground_of(settings).run.iterdir()) == []


def program(folder: Path, **changes: object) -> Program:
    """One that a zygote can be had for, with ``changes``."""
    for place in ("below/opt/nbfn", "below/python", "code/function"):
        (folder / place).mkdir(parents=True, exist_ok=True)
    values: dict[str, object] = {
        "layers": (folder / "below", folder / "code"),
        "argv": strain.ENTRYPOINT,
        "env": {"PYTHONPATH": "/opt/nbfn:/function:/python", "LANG": "C.UTF-8"},
        "cwd": "/function",
        "uid": 1000,
        "gid": 1000,
        "host": HOST,
    }
    return Program(**{**values, **changes})  # type: ignore[arg-type]


def test_what_a_strain_is_made_of(tmp_path: Path) -> None:
    request = make_request(ImageRef("x"), GREETING="hello", LANG="C.UTF-8")
    found = strain.strain_of(program(tmp_path), request)
    assert isinstance(found, strain.Strain)
    below = tmp_path / "below"
    assert found.path == ((below, "/opt/nbfn"), (below, "/python"))
    assert found.environment == {"LANG": "C.UTF-8", **dict.fromkeys(strain.THREADS, "1")}
    assert found == strain.strain_of(program(tmp_path), make_request(ImageRef("y"), GREETING="bye"))
    assert found != strain.strain_of(program(tmp_path), make_request(ImageRef("x"), network=False))
    assert found != strain.strain_of(program(tmp_path, host=""), request), "that is another Python"


def test_what_has_no_strain_says_why(tmp_path: Path) -> None:
    request = make_request(ImageRef("x"))
    assert "nbfn's runtime" in str(strain.strain_of(program(tmp_path, argv=("python3", "x.py")), request))
    (tmp_path / "more" / "function").mkdir(parents=True)
    (tmp_path / "more" / "python").mkdir()
    mixed = program(tmp_path, layers=(tmp_path / "more",))
    assert "its code alone" in str(strain.strain_of(mixed, request))
    twice = program(tmp_path)
    over = program(tmp_path, layers=(tmp_path / "more", *twice.layers))
    assert "several layers" in str(strain.strain_of(over, request))
    odd = make_request(ImageRef("x"), LANG="de_DE.UTF-8", PYTHONPATH="/elsewhere")
    assert "sets LANG, PYTHONPATH, which" in str(strain.strain_of(program(tmp_path), odd))

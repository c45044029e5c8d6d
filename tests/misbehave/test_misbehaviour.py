"""Functions that misbehave in every way we could think of, through a real executor's HTTP, at each tier."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from http.client import HTTPResponse
from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest

from tests.drivers.rig import make_image
from tests.executor.functions import deploy
from tests.lacking import lacking
from tests.misbehave.cases import CASES, PREAMBLE, TIERS, Case, Each
from tests.misbehave.house import House, house

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CUT = 0
"""For a status: the caller saw the answer break off."""


pytestmark = pytest.mark.parametrize(
    "home",
    [pytest.param(tier, marks=pytest.mark.xdist_group(f"misbehave-{tier}")) for tier in TIERS],
    indirect=True,
    scope="module",
)


def homes(tier: str) -> Iterator[House]:
    """One executor of that tier."""
    with house(tier) as made:
        if made.isolation["tier"] != tier:
            lacking(f"this machine does not allow {tier}: {made.isolation['missing']}")
        yield made


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[House]:
    yield from homes(str(request.param))


class Call(threading.Thread):
    """One call, made while the test does something else."""

    def __init__(self, home: House, fn_id: str, target: object) -> None:
        super().__init__()
        self._home, self._fn_id, self._target = home, fn_id, target
        self.status, self.message, self.hint = _CUT, "", ""
        self.value: object = None
        self.start()

    def run(self) -> None:
        try:
            answer = self._home.client.post(f"/invoke/{self._fn_id}", json=self._target)
        except httpx.RemoteProtocolError:
            items = self._home.client.get(f"/nbfn/v1/fns/{self._fn_id}/calls").json()["items"]
            self.message = items[0]["message"]
            return
        self.status = answer.status_code
        if answer.status_code == 200:
            self.value = answer.json()
        else:
            self.message, self.hint = answer.json()["message"], answer.json().get("hint", "")

    def __str__(self) -> str:
        return f"{self.status} {self.value or ''} {self.message} [{self.hint}]"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_function_that_misbehaves(home: House, case: Case) -> None:
    put_up_with(case, home)


def put_up_with(case: Case, home: House) -> None:
    """It ends as the table says, its neighbour does not notice, and nothing of it is left."""
    before = home.resident_bytes()
    fn_id = home.deploy(case.source, case.name, **case.limits)
    call = Call(home, fn_id, home.target(case.name))
    home.neighbour_is_well()
    call.join()
    home.neighbour_is_well()
    if case.held is not None:
        without_groups = None if home.has_groups else case.without_groups
        as_user = None if os.geteuid() == 0 else case.as_user
        _check_held(as_user or without_groups or case.held, home.tier, call)
    else:
        assert call.status in case.statuses, str(call)
        assert re.search(case.expected(home.tier), call.message), str(call)
        assert case.hint in call.hint, str(call)
    if case.again and case.held is None:
        again = home.client.post(f"/invoke/{fn_id}", content=b"null")
        assert (again.status_code, again.text) == (200, '"well"')
    home.remove(fn_id)
    home.neighbour_is_well()
    assert home.resident_bytes() - before < 64 << 20


def _check_held(held: Each, tier: str, call: Call) -> None:
    if call.status == 200:
        assert isinstance(call.value, dict), str(call)
        found = "yes" if call.value["held"] else "no"
    else:  # it was ended, or not even started
        assert re.search("out of memory|cannot keep it from", call.message), str(call)
        found = "yes"
    assert found == held[TIERS.index(tier)], str(call)


def test_an_answer_of_ten_gigabytes_is_passed_on_in_pieces_and_ends_with_its_caller(home: House) -> None:
    source = f"""{PREAMBLE}
def f(x):
    way, piece = connection(), bytes(1 << 20)
    way.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % (10 << 30))
    for _ in range(10 << 10): way.sendall(piece)
"""
    before = home.resident_bytes()
    fn_id = home.deploy(source, "endless", timeout=60)
    got = 0
    with home.client.stream("POST", f"/invoke/{fn_id}", json={}) as answer:
        for piece in answer.iter_bytes():
            got += len(piece)
            if got > 200 << 20:
                break
    assert home.resident_bytes() - before < 64 << 20
    home.neighbour_is_well()
    home.remove(fn_id)


@pytest.mark.parametrize("told", [True, False], ids=["length", "chunks"])
def test_a_request_of_ten_gigabytes_is_ended_and_stays_out_of_memory(home: House, told: bool) -> None:
    """A caller that misbehaves: of a function that gathers its body, and where a body is limited."""
    before = home.resident_bytes()
    fn_id = home.deploy("def f(x): return len(x)\n", "gathers", timeout=60)
    detached = {"Fn-Invoke-Type": "detached"}
    for path, headers, status, says in (
        (f"/invoke/{fn_id}", {}, 502, "out of memory: more than 128 MB|status 413: the body does not fit"),
        (f"/invoke/{fn_id}", detached, 413, "Content-Length too large for this server"),
        ("/v2/apps", {}, 413, "the body is larger than 1048576 bytes"),
        ("/invoke/nosuch", {}, 404, "Fn not found"),
    ):
        answer = flood(home, path, headers, told=told)
        assert (answer.status, bool(re.search(says, answer.reason))) == (status, True), answer
        assert home.resident_bytes() - before < 64 << 20
        home.neighbour_is_well()
    home.remove(fn_id)


class Answer(NamedTuple):
    status: int
    reason: str


def flood(home: House, path: str, headers: dict[str, str], *, told: bool) -> Answer:
    """What is said to who sends 10 GB there, as long as somebody listens."""
    piece, size = bytes(1 << 20), 10 << 30
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(home.target("")["socket"]))
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {home.token}"]
        lines += [f"Content-Length: {size}" if told else "Transfer-Encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        caller.sendall("\r\n".join([*lines, "", ""]).encode())
        sender = threading.Thread(target=_pour, args=(caller, piece, size // len(piece), told))
        sender.start()
        found = HTTPResponse(caller, method="POST")
        found.begin()
        answer = Answer(found.status, found.read().decode())
        caller.shutdown(socket.SHUT_RDWR)
        sender.join()
    return answer


def _pour(caller: socket.socket, piece: bytes, times: int, told: bool) -> None:
    framed = piece if told else b"%x\r\n%b\r\n" % (len(piece), piece)
    with contextlib.suppress(OSError):  # it was cut off
        for _ in range(times):
            caller.sendall(framed)


@pytest.mark.parametrize(
    ("entrypoint", "files", "says", "hint"),
    [
        (("no-such-program",), {}, "cannot execute 'no-such-program': No such file", "Entrypoint"),
        (
            ("/function/tool",),
            {"function/tool": b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44)},
            "cannot execute '.*tool': (Exec format error|Permission denied)",
            "processor|executable",
        ),
        (("python3", "-c", "print('bye')"), {}, "exit code 0: bye", "return instead"),
        (
            ("python3", "-c", "import no_such_module"),
            {},
            "exit code 1: ModuleNotFoundError: No module named 'no_such_module'",
            "put no_such_module in the image",
        ),
        (("sh", "-c", "kill -9 $$"), {}, "killed by SIGKILL", "nbfn did not send it"),
        (
            ("python3", "-c", "import os; os.symlink('/tmp/x', os.environ['FN_LISTENER'][5:]); input()"),
            {},
            "must be a relative link",
            "",
        ),
    ],
    ids=["missing", "wrong-architecture", "ends", "lacks-a-module", "killed", "absolute-link"],
)
def test_an_image_that_does_not_serve(
    home: House, entrypoint: tuple[str, ...], files: dict[str, bytes | Path], says: str, hint: str
) -> None:
    if home.tier != "T2" and entrypoint[0].startswith("/function"):
        pytest.skip("its own paths are not there")
    ref = make_image(home.state / "images", files, entrypoint=entrypoint)
    fn_id = deploy(home.client, ref, "broken")
    call = Call(home, fn_id, {})
    call.join()
    assert call.status == 502, str(call)
    assert re.search(f"^Container failed to initialize, .*{says}", call.message), str(call)
    assert re.search(hint, call.hint), str(call)
    home.remove(fn_id)
    home.neighbour_is_well()

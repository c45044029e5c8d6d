"""The benchmarks run, in short forms; their figures are nobody's business here."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from benchmarks import images, nginx, suite, warm
from benchmarks.__main__ import main
from benchmarks.measure import Row, row, tell
from benchmarks.soak import soak
from nbfn import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbfn.config import Settings


@pytest.fixture
def mine(settings: Settings) -> Iterator[session.Session]:
    former = session.current()
    made = session.Session(settings)
    session.use(made)
    yield made
    suite.stop(made)
    session.use(former)


def test_a_short_soak_loses_no_call_and_leaves_nothing() -> None:
    found = soak(2000, 10)
    assert found.faults == []
    assert found.good > 1500


def test_a_soak_says_what_is_wrong() -> None:
    found = soak(20, 1, kills_per_s=0.001)
    assert (found.good, found.errors, found.faults) == (20, {}, [])
    found.lost, found.recorded, found.descriptors = 1, 19, (20, 21)
    found.errors = {"502 no": 2}
    assert len(found.faults) == 6


@pytest.mark.needs("nginx")
def test_warm_calls_are_measured_beside_nginx_and_directly(mine: session.Session, tmp_path: Path) -> None:
    assert nginx.missing() == ""
    tell(warm.rows(mine, rounds=1, calls=64, gaps=1), tmp_path / "latest.json")
    found = {each["name"]: each for each in json.loads((tmp_path / "latest.json").read_text())}
    assert list(found) == [
        "warm-call", "warm-call-nginx", "warm-call-bare", "warm-call-gap-100ms", "warm-call-gap-1300ms",
        "python-call", "throughput-16", "throughput-16-direct", "instances-at-16-clients",
    ]  # fmt: skip
    assert all(each["ours"] > 0 and each["peer"] > 0 and each["ratio"] > 0 for each in found.values())
    assert 1 <= found["instances-at-16-clients"]["ours"] <= 16


def test_a_row_has_medians_and_their_ratio() -> None:
    assert row("x", "ms", [1, 2, 9], [4, 4], "p") == Row("x", "ms", 2, 4, "p", 0.5, 3)
    assert asdict(row("x", "ms", [1.0]))["ratio"] is None


def test_a_part_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["imges"])
    assert "there is no imges; there are calls, containers, images" in capsys.readouterr().err


def test_a_row_is_measured_alone(capsys: pytest.CaptureFixture[str]) -> None:
    former = session.current()
    try:
        main(["--only", "deploy-no-change", "import-time"])
    finally:
        session.use(former)
    _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["deploy-no-change", "import-time"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--only", "array-10"], "there is no row array-10; there are cold-start, "),
        (["images", "--only", "warm"], "--only picks rows of calls"),
    ],
)
def test_a_row_that_is_not_there_is_said(
    line: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(line)
    assert said in capsys.readouterr().err


def test_the_page_has_every_row_of_the_calls() -> None:
    page = (Path(__file__).parents[2] / "docs/benchmarks.md").read_text()
    told = set(re.findall(r"`([\w-]+)`", page.replace("`…-50-…`", "`cold-start-50-at-once`")))
    assert set(suite.ROWS) - {"warm"} - told == set()


@pytest.mark.needs("docker", "base", "docker-registry")
def test_code_reaches_a_registry_beside_docker(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: set[str] = set()
    forget = images._Theirs.forget
    monkeypatch.setattr(images._Theirs, "forget", lambda self: (made.update(self.made), forget(self)))
    rows = list(images.rows(runs=1))
    with contextlib.closing(docker.from_env()) as client:
        left = {image.id for image in client.images.list(all=True)}
    assert made
    assert not left & made
    assert [row.name for row in rows] == ["push-code-change", "push-no-change", "push-requirement-change"]
    assert all(row.ours > 0 and row.peer and row.ratio for row in rows)
    tell(rows, None)
    assert "push-no-change" in capsys.readouterr().out

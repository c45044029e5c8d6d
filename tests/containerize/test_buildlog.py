"""What a build's messages mean."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbfn.containerize.buildlog import LAST_LINES, BuildLog

SAID = (
    "Step 1/2 : FROM base\n ---> 0123456789ab\nStep 2/2 : RUN make && \\\n ---> Running in 0123\n"
    "one\n\x1b[91mtwo\x1b[0m\n10%\r100%\nRemoving intermediate container 0123\n"
    "Successfully built 0123456789ab\n"
)


@given(st.lists(st.integers(0, len(SAID)), max_size=8))
def test_lines_are_the_same_however_the_log_comes(cuts: list[int]) -> None:
    log, edges = BuildLog(), [0, *sorted(cuts), len(SAID)]
    lines = [line for start, end in pairwise(edges) for line in log.feed({"stream": SAID[start:end]})]
    assert [(line.kind, line.text) for line in lines] == [
        ("step", "Step 1/2: FROM base"),
        ("step", "Step 2/2: RUN make && \\"),
        ("output", "one"),
        ("output", "two"),
        ("output", "100%"),
    ]
    assert log.image_id == "0123456789ab"


def test_a_failed_step_is_named_with_its_last_lines() -> None:
    log = BuildLog()
    list(log.feed({"stream": "Step 3/4 : RUN go build -o func\n"}))
    for number in range(40):
        list(log.feed({"stream": f"line {number}\n"}))
    list(log.feed({"error": "The command '/bin/sh -c go build -o func' returned a non-zero code: 2"}))
    error = log.failure("the build of 'hello'")
    assert error.step == "step 3/4 `RUN go build -o func`"
    assert error.code == 2
    assert error.output == tuple(f"line {number}" for number in range(40 - LAST_LINES, 40))
    assert "the build of 'hello': step 3/4 `RUN go build -o func` ended with exit code 2" in str(error)
    assert str(error).endswith("line 39")


@pytest.mark.parametrize(
    "said",
    [
        "pull access denied for nowhere, repository does not exist or may require 'docker login'",
        "manifest for fnproject/go:0-dev not found: manifest unknown",
        'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
    ],
)
def test_a_base_that_cannot_be_had(said: str) -> None:
    log = BuildLog()
    list(log.feed({"stream": "Step 1/4 : FROM nowhere as build-stage\n"}))
    list(log.feed({"error": said}))
    assert "the image of step 1/4 `FROM nowhere as build-stage` cannot be had: " in str(log.failure("x"))


def test_podmans_words() -> None:
    log = BuildLog()
    (line,) = log.feed({"stream": "STEP 1/2: FROM base\n"})
    assert (line.kind, line.text) == ("step", "Step 1/2: FROM base")
    list(log.feed({"error": 'building at STEP "RUN false": while running runtime: exit status 1'}))
    assert log.failure("x").code == 1


def test_pulling_is_told_without_its_bars() -> None:
    log = BuildLog()
    pulled = [
        {"status": "Pulling from library/debian", "id": "12"},
        {
            "status": "Downloading",
            "id": "a",
            "progressDetail": {"current": 1, "total": 9},
            "progress": "[> ]",
        },
        {"status": "Pull complete", "id": "a", "progressDetail": {}},
    ]
    lines = [line for message in pulled for line in log.feed(message)]
    assert [line.text for line in lines] == ["12: Pulling from library/debian", "a: Pull complete"]
    assert {line.kind for line in lines} == {"pull"}

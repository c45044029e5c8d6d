"""Output and numbers of functions, as OCI's Logging and Monitoring have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.deploy.oci.regions import find_region
from nbfn.deploy.oci.watching import Counts
from nbfn.errors import BadInput
from tests.oci.functions import SPEC, call, captured, imaged

if TYPE_CHECKING:
    from pathlib import Path

    from tests.oci.conftest import MakeTarget
    from tests.oci.server import Cloud


def test_output_and_numbers_of_calls(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    made = target.apply(SPEC, imaged(cloud, state, capture), capture.fingerprint)
    assert list(target.logs(made.fn_id)) == []
    assert target.counts(made.fn_id) == Counts(60, 0, 0, 0, None)
    first, second = (call(target, made, capture, name) for name in ("Ana", "Bo"))
    lines = list(target.logs(made.fn_id))
    assert [line.text for line in lines if line.stream != "service"] == [
        "called for Ana\n",
        "called for Bo\n",
    ]
    assert [line.stream for line in lines[:3]] == ["service", "stdout", "service"]
    assert {line.call_id for line in lines} == {first.call_id, second.call_id}
    (only,) = (x for x in target.logs(made.fn_id, call_id=second.call_id) if x.stream == "stdout")
    assert (only.text, only.instance_id) == ("called for Bo\n", "c0ffee")
    assert [line.text[:6] for line in target.logs(made.fn_id, limit=1)] == ["Served"]
    counts = target.counts(made.fn_id, minutes=5)
    assert (counts.calls, counts.errors, counts.throttled) == (2, 0, 0)
    assert counts.mean_ms is not None
    assert counts.mean_ms > 0


def test_an_application_whose_log_is_not_enabled(target_of: MakeTarget, cloud: Cloud, state: Path) -> None:
    target, capture = target_of(), captured()
    cloud.watch.enabled = False
    made = target.apply(SPEC, imaged(cloud, state, capture), capture.fingerprint)
    call(target, made, capture, "Ana")
    assert list(target.logs(made.fn_id)) == []


def test_what_goes_into_a_query_is_an_id(target_of: MakeTarget, cloud: Cloud) -> None:
    with pytest.raises(BadInput, match="not the id of a function"):
        target_of().logs("x' | y")
    with pytest.raises(BadInput, match="minutes is 0"):
        target_of().counts("x", minutes=0)
    assert cloud.requests == []


def test_each_region_has_its_addresses() -> None:
    region = find_region("fra")
    assert region.logging_url == "https://logging.eu-frankfurt-1.oci.oraclecloud.com"
    assert region.metrics_url == "https://telemetry.eu-frankfurt-1.oraclecloud.com"

"""The target against both versions of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.deploy.conformance import TargetConformance
from tests.oci.functions import IMAGE

if TYPE_CHECKING:
    from nbfn.deploy.oci import OciTarget
    from nbfn.spec import ImageRef
    from tests.oci.conftest import MakeTarget


class TestOciTarget(TargetConformance):
    keeps_idle_timeout = False
    shows_instances = False
    keeps_calls = False
    keeps_revisions = False
    invoked_at = "/functions/{}/actions/invoke"

    @pytest.fixture(params=["20260325", "20181201"])
    def target(self, target_of: MakeTarget, request: pytest.FixtureRequest) -> OciTarget:
        return target_of(api_version=request.param)

    @pytest.fixture
    def image(self) -> ImageRef:
        return IMAGE

"""The target against both versions of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn.spec import ImageRef
from tests.deploy.conformance import TargetConformance

if TYPE_CHECKING:
    from nbfn.deploy.oci import OciTarget
    from tests.oci.conftest import MakeTarget

IMAGE = ImageRef("iad.ocir.io/ns/greet", "sha256:" + "a" * 64, "0.0.1")


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

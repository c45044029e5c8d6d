"""The Fn target against the real executor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbfn import config, local
from nbfn.deploy import rest
from nbfn.deploy.fn import FnTarget
from nbfn.spec import ImageRef
from tests.deploy.conformance import PRINT, SPEC, TargetConformance
from tests.session import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from nbfn.deploy.base import Target


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    state = tmp_path_factory.mktemp("s")
    settings = config.load({"NBFN_STATE": str(state), "NBFN_DRIVER": "fake"})
    with local.ensure(settings).client(timeout=60.0) as client:
        yield client
    running.stop(settings)


class TestFnTarget(TargetConformance):
    @pytest.fixture
    def target(self, client: httpx.Client) -> Target:
        target = FnTarget(client)
        for each in target.list():
            target.remove(each.app, each.name)
        return target

    @pytest.fixture
    def image(self) -> ImageRef:
        return ImageRef("nbfn.local/notebook/greet", "sha256:" + "a" * 64)

    def test_configuration_is_exactly_what_is_wanted(self, target: Target, client: httpx.Client) -> None:
        image = ImageRef("nbfn.local/notebook/greet", "sha256:" + "b" * 64)
        made = target.apply(SPEC, image, PRINT)
        client.put(f"/v2/fns/{made.fn_id}", json={"config": {"EXTRA": "1", "MODE": ""}}).raise_for_status()
        assert target.apply(SPEC, image, PRINT).changed
        held = client.get(f"/v2/fns/{made.fn_id}").json()["config"]
        assert held == {"MODE": "fast", "LEVEL": "1", "NBFN_KEY": made.key.hex()}

    def test_a_function_of_another_client_gets_a_key(self, target: Target, client: httpx.Client) -> None:
        app = client.post("/v2/apps", json={"name": "by-hand"}).json()
        body = {"name": "greet", "app_id": app["id"], "image": "somewhere/greet:1"}
        fn = client.post("/v2/fns", json=body).raise_for_status().json()
        spec = type(SPEC)(SPEC.name, "by-hand", SPEC.limits)
        made = target.apply(spec, ImageRef("somewhere/greet", tag="1"), PRINT)
        assert (made.fn_id, made.changed, len(made.key)) == (fn["id"], True, 32)

    def test_logs_of_a_function_that_never_ran_are_empty(self, target: Target, image: ImageRef) -> None:
        assert list(target.logs(target.apply(SPEC, image, PRINT).fn_id)) == []

    def test_a_call_is_found_by_its_id(self, target: Target, client: httpx.Client, image: ImageRef) -> None:
        made = target.apply(SPEC, image, PRINT)
        call_id = client.post(f"/invoke/{made.fn_id}").headers["fn-call-id"]
        found = target.call(call_id)
        assert (found.id, found.fn_id, found.function, found.status) == (call_id, made.fn_id, "greet", 200)
        assert (found.result.call_id, found.result.start, found.result.reason) == (
            call_id,
            "cold",
            "first-call",
        )
        assert not target.cancel(call_id)
        target.remove(SPEC.app, SPEC.name)
        assert target.call(call_id).function == ""

    def test_calls_come_page_after_page(
        self, target: Target, client: httpx.Client, image: ImageRef, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rest, "_CALLS_PAGE", 2)
        made = target.apply(SPEC, image, PRINT)
        ids = [client.post(f"/invoke/{made.fn_id}").headers["fn-call-id"] for _ in range(5)][::-1]
        for limit in (1, 2, 3, 4, 5, 9):
            assert [call.id for call in target.calls(made.fn_id, limit=limit)] == ids[:limit]

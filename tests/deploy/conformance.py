"""What every target does. A suite: inherit from it and give it a ``target`` and an ``image``."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nbfn.errors import NotFound, TargetError
from nbfn.spec import Deployment, FunctionSpec, ImageRef, Limits

if TYPE_CHECKING:
    from nbfn.deploy.base import Target

SPEC = FunctionSpec("greet", "notebook", Limits(256, 30, 60), {"MODE": "fast", "LEVEL": "1"})
PRINT = "sha256:" + "1" * 64


class TargetConformance:
    """Each test starts from a target that holds nothing of the applications it names."""

    keeps_idle_timeout = True
    """False for a target that decides itself how long instances stay."""
    shows_instances = True
    keeps_calls = True
    keeps_revisions = True
    invoked_at = "/invoke/{}"
    """How a function's URL ends, with its id."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError

    @pytest.fixture
    def image(self) -> ImageRef:
        raise NotImplementedError

    def test_the_first_time_makes_application_and_function(self, target: Target, image: ImageRef) -> None:
        made = target.apply(SPEC, image, PRINT)
        assert made.changed
        assert (made.spec, made.image, made.fingerprint) == (SPEC, image, PRINT)
        assert len(made.key) == 32
        held = target.inspect("notebook", "greet")
        assert (held.id, held.app_id, held.url) == (made.fn_id, made.app_id, made.url)
        assert (held.image, held.memory_mb, held.timeout_s) == (str(image), 256, 30)
        assert held.idle_timeout_s == (60 if self.keeps_idle_timeout else 0)
        assert made.url.endswith(self.invoked_at.format(made.fn_id))
        assert made.url.startswith("http")

    def test_the_same_again_changes_nothing(self, target: Target, image: ImageRef) -> None:
        first = target.apply(SPEC, image, PRINT)
        before = target.inspect("notebook", "greet")
        assert target.apply(SPEC, image, PRINT) == replace(first, changed=False)
        assert target.inspect("notebook", "greet") == before

    def test_a_function_that_was_never_called_has_no_instances(self, target: Target, image: ImageRef) -> None:
        made = target.apply(SPEC, image, PRINT)
        if not self.shows_instances:
            with pytest.raises(TargetError, match="does not show instances"):
                target.instances(made.fn_id)
            with pytest.raises(TargetError, match="does not show instances"):
                target.stop_instances(made.fn_id)
            return
        assert target.instances(made.fn_id) == []
        target.stop_instances(made.fn_id)  # none: nothing to do
        with pytest.raises(NotFound):
            target.instances("01M870V24XDNMHV9ZMQM000009")

    def test_a_call_that_never_was(self, target: Target) -> None:
        if not self.keeps_calls:
            with pytest.raises(TargetError, match="keeps no calls"):
                target.call("01M870V24XDNMHV9ZMQM000009")
            with pytest.raises(TargetError, match="cannot end a call"):
                target.cancel("01M870V24XDNMHV9ZMQM000009")
            return
        with pytest.raises(NotFound):
            target.call("01M870V24XDNMHV9ZMQM000009")
        assert not target.cancel("01M870V24XDNMHV9ZMQM000009")

    def test_revisions_are_gone_back_to(self, target: Target, image: ImageRef) -> None:
        first = target.apply(SPEC, image, PRINT)
        if not self.keeps_revisions:
            with pytest.raises(TargetError, match="keeps no revisions"):
                target.revisions(first.fn_id)
            with pytest.raises(TargetError, match="keeps no revisions"):
                target.rollback(SPEC, 1)
            return
        other = replace(SPEC, limits=Limits(512, 10, 20), config={"MODE": "slow"})
        target.apply(other, image, "sha256:" + "2" * 64)
        assert [(each.number, each.current) for each in target.revisions(first.fn_id)] == [
            (2, True),
            (1, False),
        ]
        assert target.revisions(first.fn_id)[0].changed == (
            "memory", "timeout", "idle_timeout", "config.LEVEL", "config.MODE",
        )  # fmt: skip
        assert target.rollback(SPEC, 1) == first
        assert not target.apply(SPEC, image, PRINT).changed
        assert not target.rollback(SPEC, 1).changed
        with pytest.raises(NotFound, match="9 is none of 1, 2, 3"):
            target.rollback(SPEC, 9)
        with pytest.raises(NotFound):
            target.rollback(replace(SPEC, name="nosuch"), 1)

    def test_a_change_keeps_identity_and_key(self, target: Target, image: ImageRef) -> None:
        first = target.apply(SPEC, image, PRINT)
        other = replace(SPEC, limits=Limits(512, 10, 20), config={"MODE": "slow"})
        second = target.apply(other, image, "sha256:" + "2" * 64)
        assert second.changed
        assert (second.fn_id, second.app_id, second.key, second.url) == (
            first.fn_id,
            first.app_id,
            first.key,
            first.url,
        )
        held = target.inspect("notebook", "greet")
        assert (held.memory_mb, held.timeout_s) == (512, 10)
        assert held.idle_timeout_s == (20 if self.keeps_idle_timeout else 0)
        assert not target.apply(other, image, "sha256:" + "2" * 64).changed
        assert target.apply(SPEC, image, PRINT).changed

    def test_the_key_is_shown_nowhere(self, target: Target, image: ImageRef) -> None:
        made = target.apply(SPEC, image, PRINT)
        shown = repr(made) + repr(target.inspect("notebook", "greet")) + repr(target.list())
        assert made.key.hex() not in shown

    def test_functions_are_listed_by_name_over_many_pages(self, target: Target, image: ImageRef) -> None:
        names = [f"f{number:03d}" for number in range(103)]
        for name in reversed(names):
            target.apply(replace(SPEC, name=name, app="many"), image, PRINT)
        target.apply(replace(SPEC, app="other"), image, PRINT)
        assert [each.name for each in target.list("many")] == names
        assert [(each.app, each.name) for each in target.list("other")] == [("other", "greet")]
        assert {each.app for each in target.list()} >= {"many", "other"}
        assert target.list("nosuch") == []

    def test_removing_is_done_once(self, target: Target, image: ImageRef) -> None:
        first = target.apply(SPEC, image, PRINT)
        assert target.remove("notebook", "greet")
        assert not target.remove("notebook", "greet")
        assert not target.remove("nosuch", "greet")
        again = target.apply(SPEC, image, PRINT)
        assert again.changed
        assert again.fn_id != first.fn_id
        assert again.key != first.key

    def test_what_is_not_there_is_not_found(self, target: Target, image: ImageRef) -> None:
        with pytest.raises(NotFound, match="no application 'nosuch'"):
            target.inspect("nosuch", "greet")
        target.apply(SPEC, image, PRINT)
        with pytest.raises(NotFound, match="no function 'nosuch' in 'notebook'"):
            target.inspect("notebook", "nosuch")

    def test_many_at_once_make_one(self, target: Target, image: ImageRef) -> None:
        made: list[Deployment] = []
        threads = [
            threading.Thread(
                target=lambda: made.append(target.apply(replace(SPEC, app="race"), image, PRINT))
            )
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({(each.fn_id, each.key) for each in made}) == 1
        assert len(made) == 6
        assert len(target.list("race")) == 1

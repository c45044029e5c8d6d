"""What is known of one function now: its events, folded as they come, for whoever draws or waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from nbfn.observe.timeline import FunctionPicture, fold

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbfn.remote import Remote
    from nbfn.spec import Event


class Watch:
    """Follows ``fn_id`` from the first event that the executor remembers until closed.

    ``changed`` is called on the portal's thread, holding nothing, after each event that changed the picture.
    """

    def __init__(self, function: Remote[..., Any], fn_id: str, changed: Callable[[], object]) -> None:
        self.fn_id = fn_id
        self._picture = FunctionPicture(fn_id)
        self._news = threading.Condition()
        self._changed = changed
        self._waited_in_vain = False
        self._subscription = function.session.subscribe(fn_id, self._observe, after=0)

    @property
    def picture(self) -> FunctionPicture:
        return self._picture

    @property
    def open(self) -> bool:
        """False once closed, or if the session that it belongs to was."""
        return self._subscription.open

    def wait_for_end(self, call_id: str, deadline: float) -> None:
        """Return when the call is seen to have ended, at ``deadline`` (on the monotonic clock) if it is not.

        A target that tells of no events is waited for once only.
        """
        with self._news:
            if self._waited_in_vain and not self._picture.seq:
                return
            left_s = max(deadline - time.monotonic(), 0)
            self._waited_in_vain = not self._news.wait_for(lambda: _at_rest(self._picture, call_id), left_s)

    def wait_for_rest(self, deadline: float) -> None:
        """Return when no call is seen to run, at ``deadline`` if one still does."""
        with self._news:
            self._news.wait_for(lambda: _all_at_rest(self._picture), max(deadline - time.monotonic(), 0))

    def close(self) -> None:
        self._subscription.close()

    def _observe(self, event: Event) -> None:
        with self._news:
            before, self._picture = self._picture, fold(self._picture, event)
            if self._picture is before:
                return
            self._news.notify_all()
        self._changed()


def _all_at_rest(picture: FunctionPicture) -> bool:
    return all(call.ok is not None for call in picture.calls) and all(
        each.state != "busy" for each in picture.live
    )


def _at_rest(picture: FunctionPicture, call_id: str) -> bool:
    """True once the call has ended and the instance that ran it is known to be free again, or gone."""
    call = next((call for call in picture.calls if call.id == call_id), None)
    if call is None or call.ok is None:
        return False
    return all(each.state != "busy" for each in picture.live if each.id == call.instance_id)

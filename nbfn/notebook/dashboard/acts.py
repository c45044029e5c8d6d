"""What the controls of a dashboard do to one function: call it, load it, cancel, change it, remove it."""

from __future__ import annotations

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from nbfn.errors import BadInput
from nbfn.function import Function
from nbfn.remote import remove
from nbfn.spec import Limits
from nbfn.verbs import FolderFunction, invoke_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbfn.deploy.base import Target
    from nbfn.observe.activity import Known
    from nbfn.session import Session

Held = Function[..., Any] | FolderFunction
"""A function that a notebook holds."""
HELD = (Function, FolderFunction)

AT_ONCE = 32
"""Calls of a burst that are under way together: each is a thread here, and at most an instance there."""


class Acts:
    """On ``known``, through ``function`` if this notebook has it. Each method returns what to say."""

    def __init__(self, session: Session, known: Known, function: Held | None) -> None:
        self._session = session
        self.known = known
        self.function = function
        self._ended = threading.Event()

    def call(self, arguments: Mapping[str, Any]) -> str:
        """Call it once."""
        return self._one(arguments)

    def burst(
        self, arguments: Mapping[str, Any], calls: int, progress: Callable[[int], object]
    ) -> Mapping[str, int]:
        """Call it so many times, as many at once as can be; how often which answer came."""
        self._ended.clear()
        answers: Counter[str] = Counter()
        lock = threading.Lock()

        def one(_: int) -> None:
            if self._ended.is_set():
                return
            answer = self._one(arguments)
            with lock:
                answers[answer] += 1
                progress(answers.total())

        with ThreadPoolExecutor(min(calls, AT_ONCE), thread_name_prefix="nbfn-burst") as pool:
            list(pool.map(one, range(calls)))
        return answers

    def cancel(self, calls: Iterable[str]) -> str:
        """End these calls, and a burst before its next one."""
        self._ended.set()
        ended = [call for call in calls if self._session.ask(partial(_cancel, call_id=call))]
        return f"cancelled {len(ended)} call{'' if len(ended) == 1 else 's'}"

    def limit(self, memory_mb: int, timeout_s: int, idle_timeout_s: int) -> str:
        """Give it other limits: its next instances have them.

        Raises:
            LimitError: a value outside Fn's range.
        """
        limits = Limits(memory_mb, timeout_s, idle_timeout_s)
        self._session.control.functions.update(
            self.known.id, {"memory": memory_mb, "timeout": timeout_s, "idle_timeout": idle_timeout_s}
        )
        if self.function is not None:  # or its next deployment would set them back
            self.function.spec = replace(self.function.spec, limits=limits)
        return f"{memory_mb} MB, timeout {timeout_s} s, idle {idle_timeout_s} s"

    def redeploy(self) -> str:
        """Deploy it as this notebook has it now."""
        if self.function is None:
            raise BadInput(f"{self.known.name} was not made in this notebook", hint="deploy it where it was")
        deployment = self.function.deploy().deployment
        if deployment is not None and not deployment.changed:
            return "nothing has changed since it was deployed"
        return "deployed as it is now"

    def stop(self) -> str:
        """Stop its instances; it stays deployed."""
        self._session.ask(lambda target: target.stop_instances(self.known.id))
        return "stopped: the next call is cold"

    def undeploy(self) -> str:
        """Remove it from the server."""
        if self.function is not None:
            removed = self.function.undeploy()
        else:
            removed = remove(self._session, self.known.app, self.known.name)
        return "removed" if removed else "it was not deployed"

    def _one(self, arguments: Mapping[str, Any]) -> str:
        try:
            if self.function is not None:
                return repr(self.function.remote(**arguments))
            body = json.dumps(arguments) if arguments else ""
            answer = invoke_function(
                self.known.app,
                self.known.name,
                body,
                content_type="application/json",
                session=self._session,
            )
        except Exception as error:  # whatever the function raises is what is to be shown
            return f"{type(error).__name__}: {error}"
        return answer.text if answer.ok else f"failed ({answer.status}): {answer.text}"


def _cancel(target: Target, call_id: str) -> bool:
    return target.cancel(call_id)

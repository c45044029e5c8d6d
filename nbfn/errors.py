"""Every error that nbfn raises, in one tree.

::

    NbfnError
    ├── BadInput               what was asked for cannot be: fix the cell, the option or the name
    │   ├── CellError          the cell: syntax, no function, two candidates
    │   ├── CaptureError       something the function uses cannot travel
    │   ├── CredentialsError   who is asking cannot be shown: profile, key, token, pass phrase
    │   ├── LimitError         memory, timeout, idle timeout or size out of range
    │   ├── NameRefused        an application or function name that Fn does not take
    │   ├── RequirementError   a package that is missing, or pinned to what is not installed
    │   └── ArgumentsError     arguments that do not fit the function's signature: nothing was sent
    ├── ImageError             an image is broken, missing or does not fit where it should run
    │   ├── BuildFailed        a step of a build failed: which, and the last lines of its output
    │   ├── NoEngine           neither Docker nor Podman answers, whichever is asked for
    │   └── RegistryError      a registry refused, could not be reached, or sent what is wrong
    │       └── LoginFailed    it does not know who asks, or does not let them
    ├── StateError             the state folder: full disk, no permission, damaged
    ├── ExecutorError          the local executor
    │   ├── ExecutorNotRunning none is running and none could be started
    │   ├── ExecutorLost       it went away during a call: the call may have run
    │   └── ExecutorMismatch   one of another version is running
    ├── TargetError            a control-plane request was refused (status and message kept)
    │   ├── NotFound
    │   ├── Conflict
    │   │   └── Changed        somebody else changed it since it was read
    │   ├── NotAuthenticated   the signature or token was not accepted
    │   ├── LimitReached       a quota or service limit is used up
    │   ├── RequestTooLarge    the request does not fit
    │   ├── Throttled          too many requests at once
    │   ├── TargetUnavailable  no answer that means anything: 5xx, or nobody there
    │   └── WorkFailed         it was accepted, and the work on it failed
    └── CallError              a call that ended without the function's own answer
        ├── CallRefused        the executor would not run it: queue full, too large, not authorised
        │   ├── CallThrottled  too many calls at once
        │   └── CallTooLarge   the arguments do not fit
        ├── CallTimeout        it ran over the function's timeout
        ├── CallCancelled      it was cancelled here
        ├── InstanceFailed     the instance could not start, or died: exit code, signal, out of memory
        ├── PayloadError       arguments or a result that cannot cross: not JSON, not authenticated
        └── RemoteError        the function raised something that cannot be rebuilt here

A function's own exception is raised as itself, not wrapped. An error's message names the thing, what
was found and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class NbfnError(Exception):
    """The root of the tree. ``hint`` says what to do; it is part of ``str(error)``."""

    about: tuple[str, str, str] | None = None
    """Context, application and function that it is about, where that is known."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class BadInput(NbfnError, ValueError):
    """What was asked for cannot be: fix the cell, the option or the name."""


class CellError(BadInput):
    """The cell holds no function that could be deployed. ``line`` is 1-based within the cell."""

    def __init__(self, message: str, *, hint: str = "", line: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


class CaptureError(BadInput):
    """Something that the function uses cannot travel.

    ``name`` is the variable, ``type_name`` its type, ``made_in`` the cell that made it and
    ``used_at`` the line that uses it (both as text a person can find, empty if unknown).
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        name: str = "",
        type_name: str = "",
        made_in: str = "",
        used_at: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.name = name
        self.type_name = type_name
        self.made_in = made_in
        self.used_at = used_at


class CredentialsError(BadInput):
    """Who is asking cannot be shown to a cloud: a profile, key, token or pass phrase is missing or unfit."""


class LimitError(BadInput):
    """A memory, timeout, idle timeout or size that is out of range."""


class NameRefused(BadInput):
    """An application or function name that Fn does not take."""


class RequirementError(BadInput):
    """A package that is missing here, or whose pin is not what is installed."""


class ArgumentsError(BadInput, TypeError):
    """Arguments that do not fit the function's signature, in Python's own words. Nothing was sent."""


class ImageError(NbfnError):
    """An image is broken, missing, or does not fit where it should run. ``problems`` lists each."""

    def __init__(self, message: str, *, hint: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class NoEngine(ImageError):
    """Neither Docker nor Podman answers. ``why`` is the message without what was to be done by it."""

    def __init__(self, message: str, *, hint: str = "", why: str = "") -> None:
        super().__init__(message, hint=hint)
        self.why = why or message


class BuildFailed(ImageError):
    """A build by a Dockerfile or by commands failed.

    ``step`` is the one that failed, ``output`` the last lines that it wrote, ``code`` its exit code (0 if it
    did not come to one).
    """

    def __init__(
        self, message: str, *, hint: str = "", step: str = "", output: Sequence[str] = (), code: int = 0
    ) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.output = tuple(output)
        self.code = code


class RegistryError(ImageError):
    """A registry refused, could not be reached, or sent what is wrong. ``status`` is HTTP's, or 0."""

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class LoginFailed(RegistryError):
    """The registry does not know who asks, or does not let them do it."""


class StateError(NbfnError):
    """The state folder cannot be used: full disk, no permission, damaged."""


class ExecutorError(NbfnError):
    """The local executor could not do its part."""


class ExecutorNotRunning(ExecutorError):
    """No executor is running, and none could be started."""


class ExecutorLost(ExecutorError):
    """The executor went away during a call. The call may have run: it is never retried blindly."""


class ExecutorMismatch(ExecutorError):
    """An executor of another version is running."""


class TargetError(NbfnError):
    """A control-plane request was refused. ``status`` is the HTTP status.

    ``code`` and ``request_id`` are what a cloud calls the error and the request; empty where there is none.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, code: str = "", request_id: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id


class NotFound(TargetError):
    """The application, function or call is not there (404)."""


class Conflict(TargetError):
    """Something else has that name, or changed it meanwhile (409, 412)."""


class Changed(Conflict):
    """Somebody else changed it between our reading and our writing (412)."""


class NotAuthenticated(TargetError):
    """The signature, key or token was not accepted (401)."""


class LimitReached(TargetError):
    """A quota or service limit is used up."""


class RequestTooLarge(TargetError):
    """The request does not fit (413)."""


class Throttled(TargetError):
    """Too many requests at once, and waiting did not help (429)."""


class TargetUnavailable(TargetError):
    """No answer that means anything: 5xx after every attempt, a broken connection, or nobody there."""


class WorkFailed(TargetError):
    """The request was accepted, and the work on it failed later. ``problems`` is what was logged of it."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int = 0,
        code: str = "",
        request_id: str = "",
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(message, hint=hint, status=status, code=code, request_id=request_id)
        self.problems = tuple(problems)


class CallError(NbfnError):
    """A call that ended without the function's own answer. ``call_id`` finds it in the logs."""

    def __init__(self, message: str, *, hint: str = "", call_id: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.call_id = call_id
        self.status = status


class CallRefused(CallError):
    """The executor would not run it: queue full, body too large, not authorised.

    ``retry_after_s`` is when it suggests to try again (0: it does not); ``began`` is True if the call had
    been given to an instance all the same.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        call_id: str = "",
        status: int = 0,
        retry_after_s: float = 0.0,
        began: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, call_id=call_id, status=status)
        self.retry_after_s = retry_after_s
        self.began = began


class CallThrottled(CallRefused):
    """Too many calls at once (429): it did not run."""


class CallTooLarge(CallRefused):
    """The arguments do not fit into a request (413): it did not run."""


class CallTimeout(CallError, TimeoutError):
    """The call ran over the function's timeout; its instance was killed."""


class CallCancelled(CallError):
    """The call was cancelled on this side; an instance that ran it was stopped."""


class InstanceFailed(CallError):
    """The instance could not start, or died during the call; the message says of what."""


class PayloadError(CallError):
    """Arguments or a result that cannot cross: not JSON, not picklable, not authenticated."""


class RemoteError(CallError):
    """The function raised an exception that cannot be rebuilt here; its text and traceback are kept."""

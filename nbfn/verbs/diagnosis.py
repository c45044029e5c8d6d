"""``nbfn.doctor()``: what is right and what is not, with what to do about it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from nbfn import checks
from nbfn import session as sessions
from nbfn.deploy.oci import causes
from nbfn.errors import BadInput

if TYPE_CHECKING:
    from nbfn.checks import Finding
    from nbfn.session import Session

_MARKS = {"ok": "ok", "warn": "!", "problem": "✗"}
_WIDTH = 100


class Diagnosis(Iterable["Finding"]):
    """Findings, from the machine outwards. ``str`` of it is a list for people."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)

    @property
    def ok(self) -> bool:
        """True if nothing is a problem."""
        return not self.problems

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What will not work."""
        return tuple(each for each in self.findings if each.status == "problem")

    @property
    def document(self) -> list[dict[str, Any]]:
        """All of it, for JSON."""
        return [
            {"subject": each.subject, "status": each.status, "message": each.message, "advice": each.advice}
            for each in self.findings
        ]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        return "\n".join(map(_text, self.findings))

    def __repr__(self) -> str:
        return str(self)


def doctor(function: str = "", *, app: str = "", session: Session | None = None) -> Diagnosis:
    """Look at this machine, at the context's server, and at ``function`` of ``app``.

    Without ``app`` that is the session's, or the only one that has such a function.
    Its last call, invocation and deployment are told if they failed, and so is what nbfn raised last in this
    process, unless that is of another function than is asked about. An executor that is not running is
    started.
    """
    ours = session or sessions.current()
    last = getattr(sys, "last_value", None)
    facts = checks.gather(ours, app, function, last_error=last)
    return Diagnosis(checks.diagnose(facts))


def explain(code: str) -> str:
    """What to do about an error that OCI calls ``code``, such as ``FunctionInvokeImageNotAvailable``.

    What OCI says of it does as well (``Failed to pull function image``), in whichever case.

    Raises:
        BadInput: OCI Functions has no such code, and says nothing of the kind; says which codes are near.
    """
    found = causes.code_hint(code)
    if not found:
        near = causes.near_codes(code)
        raise BadInput(
            f"OCI Functions has no error code {code!r}",
            hint=f"did you mean {', '.join(near)}?"
            if near
            else "give the code that is in its answer (FunctionInvoke…), or the words of its message",
        )
    return found


def _wrapped(line: str) -> list[str]:
    """``line`` in several, none too long; one that is indented is there to be copied, and stays whole."""
    if line.startswith("    "):
        return [line.strip()]
    return textwrap.wrap(line.strip(), _WIDTH, break_on_hyphens=False) or [""]


def _text(finding: Finding) -> str:
    head = f"{_MARKS[finding.status]:<3} {finding.subject:<12} {finding.message}"
    if not finding.advice:
        return head
    lines = [part for line in finding.advice.split("\n") for part in _wrapped(line)]
    return head + "".join(f"\n{'':17}{'→ ' if at == 0 else '  '}{line}" for at, line in enumerate(lines))

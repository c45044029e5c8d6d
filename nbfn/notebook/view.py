"""From what was observed of a function to the card that shows it. Pure."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Literal, cast

from nbfn.errors import BadInput
from nbfn.notebook.bars import Bar
from nbfn.notebook.card import STAGES, Card, LogText, Row, Tile, reason_in_words
from nbfn.spec import ImageRef

if TYPE_CHECKING:
    import inspect
    from pathlib import Path

    from nbfn.notebook.card import TileState
    from nbfn.observe.timeline import CallPicture, FunctionPicture, InstancePicture
    from nbfn.spec import Deployment

ROWS = 12
LOG_PIECES = 40


def view(deployment: Deployment, picture: FunctionPicture, *, now: float, curl: str = "") -> Card:
    """The card of ``deployment`` as it is seen at ``now`` (seconds since the epoch)."""
    spec, told = deployment.spec, deployment.spec.limits
    # Somebody may have changed them since: on a dashboard, with a command, in another kernel.
    memory_mb, timeout_s, idle_timeout_s = picture.limits or (
        told.memory_mb,
        told.timeout_s,
        told.idle_timeout_s,
    )
    return Card(
        name=spec.name,
        app=spec.app,
        url=deployment.url,
        curl=curl,
        image=_image(picture.image) or deployment.image.short,
        memory_mb=memory_mb,
        timeout_s=timeout_s,
        idle_timeout_s=idle_timeout_s,
        deployed=not picture.deleted,
        preparing=_preparing(picture),
        tiles=tuple(_tile(instance, now) for instance in picture.live),
        rows=_rows(picture),
        cold=picture.cold,
        warm=picture.warm,
        failed=picture.failed,
        log=tuple(LogText(line.stream, line.text) for line in picture.logs[-LOG_PIECES:]),
    )


def _preparing(picture: FunctionPicture) -> Bar | None:
    if picture.preparing is None:
        return None
    what, done, total = picture.preparing
    return Bar("", what, done, total)


def curl_line(url: str, token_file: Path, signature: inspect.Signature) -> str:
    """A shell command that calls the function with made-up arguments; it reads the token from its file."""
    body = example_arguments(signature)
    data = shlex.quote(json.dumps(body, ensure_ascii=False)) if body else "''"
    token = f'"Authorization: Bearer $(cat {shlex.quote(str(token_file))})"'
    return f"curl -H {token} -H 'Content-Type: application/json' -d {data} {shlex.quote(url)}"


def invoke_line(deployment: Deployment, signature: inspect.Signature) -> str:
    """The same where requests are signed: the Fn CLI's grammar, with the context that is current then."""
    body = example_arguments(signature)
    data = f" --data {shlex.quote(json.dumps(body, ensure_ascii=False))}" if body else ""
    spec = deployment.spec
    names = f"{shlex.quote(spec.app)} {shlex.quote(spec.name)}"
    return f"nbfn invoke {names} --content-type application/json{data}"


def example_arguments(signature: inspect.Signature) -> dict[str, object]:
    """Made-up values for the parameters that must be given, by name."""
    return {
        name: _example(parameter)
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and parameter.default is parameter.empty
    }


def _example(parameter: inspect.Parameter) -> object:
    examples: dict[object, object] = {
        "int": 1,
        "float": 1.0,
        "bool": True,
        "list": [],
        "dict": {},
        "bytes": "",
    }
    kind = parameter.annotation
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return examples.get(name.partition("[")[0], "…")


def _image(reference: str) -> str:
    try:
        return ImageRef.parse(reference).short
    except BadInput:
        return ""


def _tile(instance: InstancePicture, now: float) -> Tile:
    return Tile(
        id=instance.id,
        state=cast("TileState", instance.state),
        age_s=max(now - instance.started_at, 0.0),
        calls=instance.calls,
        idle_s=max(now - instance.since, 0.0) if instance.state == "idle" else None,
    )


def _rows(picture: FunctionPicture) -> tuple[Row, ...]:
    """The last calls, newest first, counted from the first one that was ever seen."""
    open_calls = sum(call.ok is None for call in picture.calls)
    last = max(picture.cold + picture.warm + open_calls, len(picture.calls))
    newest = picture.calls[: -ROWS - 1 : -1]
    return tuple(row(call, last - index) for index, call in enumerate(newest))


def row(call: CallPicture, number: int, function: str = "") -> Row:
    """What is said of one call."""
    start = cast("Literal['cold', 'warm', '']", call.start if call.start in ("cold", "warm") else "")
    return Row(
        number=number,
        call_id=call.id,
        start=start,
        reason=reason_in_words(call.reason) if start == "cold" and call.reason else "",
        outcome="running" if call.ok is None else "ok" if call.ok else "failed",
        message=call.message,
        total_ms=call.timings_ms.get("total"),
        stages_ms=stages(call),
        function=function,
    )


def stages(call: CallPicture) -> tuple[tuple[str, float], ...]:
    """Its parts in order; what the others do not account for comes last."""
    timings: dict[str, float] = dict(call.timings_ms.items())
    total = timings.pop("total", 0.0)
    if "start" in timings and "import" in timings:
        # The import is a part of the start, of which a call may have waited for the end alone.
        timings["import"] = min(timings["import"], timings["start"])
        timings["start"] -= timings["import"]
    if timings:
        timings["other"] = total - sum(timings.values())
    return tuple((stage, timings[stage]) for stage in STAGES if timings.get(stage, 0.0) > 0)

"""``nbfn stop``."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import click

from nbfn import config
from nbfn.commands.options import state_option
from nbfn.commands.running import running
from nbfn.errors import ExecutorError

if TYPE_CHECKING:
    from pathlib import Path

    from nbfn.commands.running import Running
    from nbfn.config import Settings

_ANSWER_TIMEOUT_S = 3.0
_TAKE_DOWN_S = 15.0  # what it may take beyond the grace
_POLL_S = 0.02


@click.command()
@state_option
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="How long running calls may take to finish.",
)
@click.option("--kill", is_flag=True, help="End it at once, whatever it is doing. Functions are kept.")
def stop(state: Path | None, grace: float, kill: bool) -> None:
    """Stop the executor; returns when it is gone. Running calls are finished first, functions are kept."""
    settings = config.load(state=state)
    found = running(settings)
    if found is None:
        click.echo(f"no executor is running for {settings.state}")
        return
    if kill:
        _signal(found, signal.SIGKILL)
        _wait_until_gone(settings, found, 5.0)
    elif _asked(found, grace):
        _wait_until_gone(settings, found, grace + _TAKE_DOWN_S)
    else:
        click.echo(f"the executor (pid {found.pid}) does not answer; asking it with SIGTERM", err=True)
        _signal(found, signal.SIGTERM)
        _wait_until_gone(settings, found, grace)
    click.echo(f"stopped the executor (pid {found.pid})")


def _asked(found: Running, grace_s: float) -> bool:
    import httpx

    if found.endpoint is None:
        return False
    try:
        with found.endpoint.client(timeout=_ANSWER_TIMEOUT_S) as client:
            answer = client.post("/nbfn/v1/stop", params={"grace_s": f"{grace_s:g}"})
    except httpx.TransportError:
        return False
    return answer.status_code == 202


def _signal(found: Running, number: signal.Signals) -> None:
    if not found.pid:
        raise ExecutorError("the executor has not written its pid", hint="try again in a moment")
    try:
        os.kill(found.pid, number)
    except ProcessLookupError:
        pass  # it has just ended by itself
    except PermissionError as error:
        raise ExecutorError(
            f"the executor (pid {found.pid}) belongs to another user", hint="let its owner stop it"
        ) from error


def _wait_until_gone(settings: Settings, found: Running, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while (now := running(settings)) is not None and now.pid == found.pid:
        if time.monotonic() > deadline:
            raise ExecutorError(
                f"the executor (pid {found.pid}) is hung: it did not end within {timeout_s:g} s",
                hint="`nbfn stop --kill` ends it; functions are kept",
            )
        time.sleep(_POLL_S)

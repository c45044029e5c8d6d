"""Deploying a project folder again and again while it is worked on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from nbfn import projects
from nbfn import session as sessions
from nbfn.errors import BadInput, NbfnError
from nbfn.projects import watching
from nbfn.verbs.building import USUAL
from nbfn.verbs.projects import deploy_project

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbfn.session import Session
    from nbfn.verbs.building import Building

_POLL_S = 0.1


def watch_project(
    folder: str | Path = ".",
    app: str = "",
    *,
    quiet_s: float = 0.5,
    ignore: Sequence[str] = (),
    how: Building = USUAL,
    session: Session | None = None,
    say: Callable[[str], None] = print,
    until: Callable[[], bool] = lambda: False,
) -> int:
    """Deploy a project folder whenever a file in it has changed, and no other did for ``quiet_s`` seconds.

    Its version is not bumped. A deployment that fails is told to ``say``, and the next change is waited for.
    It goes on until it is interrupted (Ctrl-C), or ``until`` says so; tells how often it has deployed.

    What is not looked at: the Fn CLI's list (``.git``, ``node_modules``, …), the lines of ``.fnignore``, and
    what ``ignore`` has.

    Raises:
        BadInput: the folder has no function, or no application is named.
        StateError: ``.fnignore`` cannot be read.
    """
    place = Path(folder)
    about = projects.find_app_file(place)
    projects.find_func_file(place)
    name = app or (about.name if about else "")
    if not name:
        raise BadInput("no application is named", hint="say --app APP, or write an app.yaml")
    ours = session or sessions.current()
    given = watching.patterns(place, ignore)
    # From here on nothing is missed: whoever reads that it watches may write at once.
    before, times = watching.look(place, given), 0
    say(f"Watching {place.absolute()} (app={name}). Debounce={quiet_s:g}s")
    say(f"Ignored: {', '.join(given)}")
    say("Interrupt (Ctrl-C) to stop.")
    quiet = watching.Quiet(quiet_s)
    try:
        while not until():
            after = watching.look(place, given)
            quiet.saw(watching.changed(before, after), time.monotonic())
            before = after
            last = quiet.due(time.monotonic())
            if last:
                say(f"\nChange detected ({last}). Deploying...")
                times += _deployed(place, name, how, ours, say)
            else:
                time.sleep(_POLL_S)
    except KeyboardInterrupt:
        say("\nStopped watching.")
    return times


def _deployed(place: Path, app: str, how: Building, session: Session, say: Callable[[str], None]) -> bool:
    try:
        deploy_project(place, app, bump=False, how=how, session=session, say=say)
    except NbfnError as error:
        say(f"Deploy failed: {error}")
        return False
    say("Deploy finished.")
    return True

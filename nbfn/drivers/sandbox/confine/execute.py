"""Another program in this process's place, and where it works."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn


def work_in(folder: str) -> None:
    """Have ``folder`` as the current one.

    Raises:
        OSError: it cannot be entered; names it.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise OSError(f"cannot work in {folder!r}: {error.strerror}") from None


def become(argv: list[str], env: Mapping[str, str]) -> NoReturn:
    """Execute ``argv``, looked for in the ``PATH`` of ``env``, its whole environment.

    Not ``os.execvpe``, which imports a module: in a root of an image's own, this Python has no files.

    Raises:
        OSError: there is no such program, or it cannot be executed.
    """
    program = argv[0]
    folders = [""] if "/" in program else [f"{x}/" for x in env.get("PATH", os.defpath).split(":")]
    why = "No such file or directory"
    for folder in folders:
        try:
            os.execve(folder + program, argv, env)  # noqa: S606 - that is what it is for
        except FileNotFoundError:
            continue
        except OSError as error:
            why = error.strerror or why
    raise OSError(f"cannot execute {program!r}: {why}")

"""Options that several commands take. Their defaults come from ``NBFN_*`` (see :mod:`nbfn.config`)."""

from __future__ import annotations

from pathlib import Path

import click

from nbfn.config import LOG_LEVELS

log_level_option = click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    help="How much it says. [NBFN_LOG_LEVEL, info]",
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of everything kept. [NBFN_STATE]",
)


class Number(click.FloatRange):
    """A number in a range, with or without a fraction."""

    name = "number"


class Integer(click.IntRange):
    """A whole number in a range."""

    name = "integer"


class Port(click.ParamType[int]):
    """A TCP port, or ``off`` (-1)."""

    name = "port"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if value == "off":
            return -1
        if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit()):
            number = int(value)
            if number <= 65535:
                return number
        return self.fail(f"{value!r} is neither a port from 0 to 65535 nor 'off'", param, ctx)

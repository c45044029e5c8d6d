"""When instances start and stop and which call runs where: decided without clock or I/O, and played through.

The executor obeys a :class:`~nbfn.schedule.scheduler.Scheduler`; :func:`simulate` lets one run in made-up
time.
"""

from __future__ import annotations

from nbfn.schedule.play import Model, simulate
from nbfn.schedule.simulation import PlayedCall, Simulation, Span
from nbfn.schedule.trace import Arrival, burst, poisson

__all__ = ["Arrival", "Model", "PlayedCall", "Simulation", "Span", "burst", "poisson", "simulate"]

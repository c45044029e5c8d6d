"""When instances start and stop and which call runs where: decided without clock or I/O, and played through.

The executor obeys a :class:`Scheduler`; :func:`simulate` lets one run in made-up time.
"""

from __future__ import annotations

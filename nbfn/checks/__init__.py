"""What is right and what is not, here and at the context's server, with what to do about it.

:func:`gather` asks this machine and the server; :func:`diagnose` judges what came back, without asking
anything, by one list of checks.
"""

from nbfn.checks.finding import Finding
from nbfn.checks.gather import gather
from nbfn.checks.rules import CHECKS, diagnose

__all__ = ["CHECKS", "Finding", "diagnose", "gather"]

"""Functions that misbehave, and what is to come of each at every tier."""

from tests.misbehave.cases.attacks import ATTACKS
from tests.misbehave.cases.case import PREAMBLE, TIERS, Case, Each
from tests.misbehave.cases.ends import ENDS
from tests.misbehave.cases.says import SAYS
from tests.misbehave.cases.takes import TAKES

__all__ = ["CASES", "PREAMBLE", "TIERS", "Case", "Each"]

CASES = (*ENDS, *TAKES, *SAYS, *ATTACKS)

# In[1]: this one is a mark
import math

# how much
# each one gets
RATE = 1_000  # per cent
MASK = 0x1F  # bits
HALF = 1 / 2  # computed
TABLE = {  # by colour
    "red": 1,  # first
    "blue": 2,
}
LATER: int = 3  # typed

# not about it

a = 1; b = 2  # both

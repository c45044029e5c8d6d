import math
from collections import Counter as Count, defaultdict
import os.path

from math import *
from shapes import *
from itertools import *

import functools
import nbfn
from nbfn import function

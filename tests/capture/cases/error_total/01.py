import numpy as np
a = np.ones(6_000_000)
b = np.ones(6_000_000)
c = np.ones(6_000_000)

import numpy as np
grid = np.empty(25_000_000)

import numpy as np
weights = np.arange(6.0).reshape(2, 3)
scale = np.float64(0.5)
kind = np.float32

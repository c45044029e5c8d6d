CFG = {"n": 1}

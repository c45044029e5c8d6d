CFG["n"] = 2

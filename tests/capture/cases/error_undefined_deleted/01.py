table = 2

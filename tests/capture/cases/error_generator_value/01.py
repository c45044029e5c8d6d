lines = (i for i in range(3))

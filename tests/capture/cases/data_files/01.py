table = [[i, str(i)] for i in range(500)]
pairs = {(i, i + 1): i for i in range(500)}

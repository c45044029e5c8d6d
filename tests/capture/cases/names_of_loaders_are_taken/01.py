import datetime as json
pickle = 3
Path = "p"
table = list(range(2000))
pairs = {(i, i): i for i in range(500)}

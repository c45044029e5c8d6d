limits = {"rows": 1}
names = ["a"]
total = 0
seen = set()

def note(x):
    global total
    total += x
    names.append("from a function")

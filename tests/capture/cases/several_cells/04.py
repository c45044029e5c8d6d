def greet(x):
    groups = defaultdict(list)
    groups["x"].append(area(x) * RATE)
    return dict(groups), Count(NAMES), os.path.join("a", "b")

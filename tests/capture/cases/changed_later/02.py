limits["rows"] = 2
names.append("b")
note(3)

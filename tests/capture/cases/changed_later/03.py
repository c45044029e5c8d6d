limits.update(cols=3)
seen |= {1}

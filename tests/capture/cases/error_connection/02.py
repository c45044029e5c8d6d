conn = sqlite3.connect(":memory:")

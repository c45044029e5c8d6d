def greet():
    # look it up
    return conn.execute("select 1").fetchone()

conn = sqlite3.connect(":memory:"); conn.close()

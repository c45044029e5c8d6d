conf = {"db": {"user": "me", "password": "hunter2"}}

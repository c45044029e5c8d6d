import threading
def make():
    lock = threading.Lock()
    def inner():
        with lock:
            return 1
    return inner
guarded = make()

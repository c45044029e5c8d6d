import threading

worker = threading.Thread(target=print)

import threading

class Model:
    def __init__(self):
        self.parts = [{"lock": threading.Lock()}]

model = Model()

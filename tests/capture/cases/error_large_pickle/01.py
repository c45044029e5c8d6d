class Model:
    def __getstate__(self):
        return {"weights": bytes(64_000_001)}

model = Model()

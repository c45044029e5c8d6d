class Model:
    def __reduce__(self):
        raise TypeError("a model stays where it is")

model = Model()

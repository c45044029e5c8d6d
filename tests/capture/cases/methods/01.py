class Scaler:
    """Scales."""

    count = 0

    def __init__(self, factor):
        self.factor = factor

    # of one
    def scale(self, n):
        return n * self.factor + self.offset()

    @staticmethod
    def offset():
        return 1

    @classmethod
    def make(cls, factor):
        return cls(factor)

    @property
    def double(self):
        return 2 * self.factor

scaler = Scaler.make(3)
scale = scaler.scale
offset = Scaler.offset
make = Scaler.make
plain = Scaler.scale

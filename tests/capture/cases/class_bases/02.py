class Made(metaclass=Meta):
    pass

class Job(Mixin, Base, kind="quick"):
    def run(self, n):
        return super().twice(n) + Box[int](a=1).first()

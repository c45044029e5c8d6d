import nbfn.errors

class Holder:
    def __init__(self):
        self.last = nbfn.errors.NotFound("nothing there")

known = Holder()

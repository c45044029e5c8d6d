Counter.step = 5
def back(self, n):
    return n - self.step
Counter.back = back

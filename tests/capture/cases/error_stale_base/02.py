class B(A):
    pass

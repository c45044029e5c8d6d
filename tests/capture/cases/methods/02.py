def greet(n):
    return scale(n), offset(), make(2).double, plain(scaler, n)

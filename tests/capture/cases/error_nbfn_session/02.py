def greet():
    return nbfn.session

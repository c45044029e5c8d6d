def greet():
    import nbfn

    return nbfn.show

import nbfn.session

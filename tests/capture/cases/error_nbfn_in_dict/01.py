import nbfn.errors

known = {"last": [nbfn.errors.NotFound]}

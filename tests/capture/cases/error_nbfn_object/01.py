from nbfn.spec import Limits
limits = Limits()

"""The ``nbfn`` command."""

"""``python -m nbfn``: the ``nbfn`` command."""

from nbfn.commands.main import main

if __name__ == "__main__":
    main()

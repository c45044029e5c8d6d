"""nbfn: a notebook cell becomes a serverless function."""

__version__ = "0.1.0"

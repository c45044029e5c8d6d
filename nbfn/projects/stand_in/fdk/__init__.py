"""What a function imports of Fn's FDK for Python, where nbfn's runtime serves it."""


def handle(handler: object) -> object:
    """The runtime serves the handler that ``func.yaml`` names: there is nothing to start."""
    return handler

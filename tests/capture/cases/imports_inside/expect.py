def greet(text):
    import yaml
    from collections import OrderedDict
    try:
        import orjson as fast
    except ImportError:
        fast = None
    return yaml.safe_load(text), OrderedDict(a=1), fast

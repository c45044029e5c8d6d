import yaml


def shout(text):
    return yaml.safe_load(text).upper()

import json

def greet(ctx, data=None):
    return json.dumps({"got": data})

import heavy_package

def greet():
    return heavy_package.LIMIT

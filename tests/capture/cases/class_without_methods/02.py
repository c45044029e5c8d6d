def greet(w):
    try:
        raise Nothing(w)
    except Nothing as error:
        options: Options = {"width": w}
        return Color.RED, default, Pair(error.args[0]), Size(1, 2), Area(1, 2), Mode.FAST, Options(width=2) == options

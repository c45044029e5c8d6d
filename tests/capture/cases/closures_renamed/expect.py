_make_down = "taken"


def _make_down_2(step):
    def count(n):
        return [] if n <= 0 else [n, *count(n - step)]

    return count


down = _make_down_2(step=2)


def _make_default(step):
    def default(n=step):
        return n * step

    return default


default = _make_default(step=2)


through_table = {"count": down}


def _make_through(table):
    def through(n):
        return table["count"](n)

    return through


through = _make_through(table=through_table)


def _make_double(step):
    def default(n=step):
        return n * step

    return default


double = _make_double(step=4)


def greet(n):
    return down(n), default(), through(n), double(), _make_down

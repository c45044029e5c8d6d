def greet(n: int, options: Options | None = None):
    return Job().run(n), Row(n), Made.made_by, Base.kinds[-1], isinstance(Job(), Base)

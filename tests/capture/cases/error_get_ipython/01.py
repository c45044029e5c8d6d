def greet():
    get_ipython().run_line_magic("time", "1")

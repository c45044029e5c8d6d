from IPython.display import HTML

page = HTML("<b>hello</b>")

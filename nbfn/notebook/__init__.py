"""The notebook edge: magics, live cards and short errors. The only importer of IPython and ipywidgets."""

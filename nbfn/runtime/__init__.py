"""Runs inside the image: an Fn http-stream server for one function, standard library only."""

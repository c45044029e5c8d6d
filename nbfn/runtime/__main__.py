"""``python3 -S -B -m nbfn_runtime``: what the image's entry point runs."""

from .start import run

run()

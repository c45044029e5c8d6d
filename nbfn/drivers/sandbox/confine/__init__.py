"""What runs outside nbfn's own process: the supervisor of one instance, and how it confines it.

Standard library only, with relative imports: the supervisor is a fresh ``python -S -I`` that must come
up in milliseconds, so nothing here may import the rest of nbfn. Every step is a function of its own
that may be called in any forked, single-threaded child.
"""

"""The front: a static origin, and the Django project mounted beside it, in one process.

Each folder is a room; its opening text says what it is for and what it may import. The order in which rooms may import
each other stands in pyproject.toml ("The front's rooms"), and `make check` holds it.
"""

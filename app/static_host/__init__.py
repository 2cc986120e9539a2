"""The front: serves static files, and the Django project beside them, from one process.

Each folder is a room; its opening text says what it is for and what it may import. pyproject.toml has the order in
which rooms may import each other ("The front's rooms"), and `make check` enforces it.
"""

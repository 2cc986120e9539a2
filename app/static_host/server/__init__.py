"""The serving processes: the listening socket, one process or several workers with a supervisor, and a clean shutdown.

May import `asgi`, `http` and what lies below them.
"""

"""Processes that serve: the listening socket, one process or several, their supervisor, and a clean end.

May import `asgi`, `http` and what lies below them.
"""

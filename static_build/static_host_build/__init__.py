"""The build: makes a tree that the server can serve from a Django project's static files.

Each folder is a room; its opening text says what it is for. pyproject.toml ("The build's rooms") defines which room may
import which. The front never imports this package: it loads the build's commands by entry point.
"""

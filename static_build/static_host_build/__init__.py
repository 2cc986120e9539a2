"""The build: a Django project's static files in, a tree that the server can serve as it is out.

Each folder is a room; its opening text says what it is for. The order in which rooms may import each other stands in
pyproject.toml ("The build's rooms"). The front never imports this package: its commands come by entry point.
"""

"""The project's part of a build: its finders, its `collectstatic`, its settings, in a process of their own.

`process` is that process; the build starts it, and calls it.
"""

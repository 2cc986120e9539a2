"""``static-host check``: what it examines, each subject in a module; `sequence` has their order, `run` prints.

May import `asgi`, `project`, `origin` and `conf`.
"""

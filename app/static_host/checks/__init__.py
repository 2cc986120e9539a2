"""``static-host check``: a module for each subject; `all_checks` has their order, `command` prints the findings.

May import `asgi`, `project`, `origin` and `conf`.
"""

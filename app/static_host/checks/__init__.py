"""``static-host check``: `all_checks` has their order, `command` prints the findings.

The project's side checks the project (`static_host_django.checks`); nothing here imports Django or the project.
May import `asgi`, `workers`, `origin` and `conf`.
"""

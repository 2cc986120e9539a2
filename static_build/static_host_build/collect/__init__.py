"""The project's static files: what its finders list, its own STATIC_ROOT, and Django's ``collectstatic``.

Runs in the project's settings. May import `references`, `encode` and `output`.
"""

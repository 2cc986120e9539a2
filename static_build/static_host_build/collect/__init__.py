"""Collects the project's static files: from its finders and its own STATIC_ROOT, by Django's ``collectstatic``.

Runs with the project's settings. May import `references`, `encode` and `output`.
"""

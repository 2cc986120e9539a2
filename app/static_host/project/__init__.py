"""The Django project: found, configured, imported and called, and the settings that are overlaid on its own.

The only room that imports Django, with `checks` and `dev`. May import `telemetry`, `conf` and `errors`.
"""

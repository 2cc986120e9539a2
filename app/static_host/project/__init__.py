"""Finds, configures, imports and calls the Django project, and overrides the settings that the static tree needs.

Only this room, `checks` and `dev` import Django. May import `telemetry`, `conf` and `errors`.
"""

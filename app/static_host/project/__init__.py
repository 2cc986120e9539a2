"""What the front knows of the Django project: its STATIC_URL, and the errors of one that cannot be found or loaded.

May import `telemetry`, `conf` and `errors`.
"""

"""A Django project of two synchronous views, for ``make bench-django``."""

"""A Django project of synchronous views, for ``make bench-django``, ``bench-proxy`` and ``bench-files``."""

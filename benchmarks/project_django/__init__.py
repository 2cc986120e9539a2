"""A Django project of synchronous views, for ``make bench-django`` and the parts proxy, pages and files."""

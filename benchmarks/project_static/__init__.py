"""A Django project that has its static files served by a middleware of one's choice, for ``make bench``."""

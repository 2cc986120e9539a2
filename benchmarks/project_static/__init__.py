"""A Django project whose static files a middleware serves, for ``make bench``."""

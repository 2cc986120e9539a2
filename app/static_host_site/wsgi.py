"""The WSGI application of the bundled site."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "static_host_site.settings")

application = get_wsgi_application()

"""The bundled site with WhiteNoise."""

from __future__ import annotations

import os

from static_host_site import settings as site

globals().update({name: value for name, value in vars(site).items() if name.isupper()})

MIDDLEWARE = [site.MIDDLEWARE[0], "whitenoise.middleware.WhiteNoiseMiddleware", *site.MIDDLEWARE[1:]]
STATIC_ROOT = os.environ["BENCH_ROOT"]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}

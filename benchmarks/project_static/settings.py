"""Two of Django's middlewares; between them the middleware that serves static files, if any."""

from __future__ import annotations

import os

SECRET_KEY = "not a secret: it signs nothing"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    *filter(None, [os.environ.get("BENCH_SERVED_BY")]),
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "benchmarks.project_static.urls"
STATIC_URL = "/static/"
STATIC_ROOT = os.environ["BENCH_ROOT"]
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
SERVESTATIC_USE_MANIFEST = False  # it reads its own manifest only
SERVESTATIC_USE_STATIC_ROOT = True

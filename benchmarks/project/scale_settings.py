"""A Django project of generated static files, and nothing else."""

from __future__ import annotations

import os

SECRET_KEY = "not a secret: nothing is served"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "/static/"
STATICFILES_DIRS = [os.environ["BENCH_SOURCES"]]
STATIC_ROOT = os.environ.get("BENCH_ROOT")
if "BENCH_STORAGE" in os.environ:
    STORAGES = {"staticfiles": {"BACKEND": os.environ["BENCH_STORAGE"]}}

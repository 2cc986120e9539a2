"""A Django project with static files of other projects: Django's admin, Wagtail, and packages from npm.

Only the stylesheet in `static/` is the benchmark's own; it works on a copy of that folder, and changes it.
"""

from __future__ import annotations

import os
from pathlib import Path

NODE_MODULES = Path(__file__).parent.parent / "node_modules"

SECRET_KEY = "not a secret: nothing is served"
INSTALLED_APPS = [
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.contrib.search_promotions",
    "wagtail.contrib.styleguide",
    "wagtail.contrib.table_block",
    "wagtail.contrib.typed_table_block",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
ROOT_URLCONF = "urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
WAGTAIL_SITE_NAME = "benchmark"
WAGTAILADMIN_BASE_URL = "//localhost"

STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("BENCH_ROOT", "staticfiles")
STATICFILES_DIRS = [
    os.environ.get("BENCH_OWN", str(Path(__file__).parent / "static")),
    *(
        (f"vendor/{folder.lstrip('@')}", NODE_MODULES / folder)
        for folder in (
            "@fortawesome/fontawesome-free/css",
            "@fortawesome/fontawesome-free/svgs",
            "@fortawesome/fontawesome-free/webfonts",
            "bootstrap/dist",
            "katex/dist",
            "leaflet/dist",
            "tinymce",
        )
    ),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

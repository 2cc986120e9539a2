"""A team's project: PostgreSQL, a Celery worker, uploads. Secrets are files, where it runs with Docker Compose."""

import os
from pathlib import Path


def read_secret(name):
    file = Path("/run/secrets", name)
    return file.read_text().strip() if file.is_file() else os.environ[name]


SECRET_KEY = read_secret("SECRET_KEY")
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("DATABASE_HOST", "localhost"),
        "NAME": "mysite",
        "USER": "mysite",
        "PASSWORD": read_secret("DATABASE_PASSWORD"),
    }
}
MEDIA_ROOT = os.environ.get("MEDIA_ROOT", "media")
MEDIA_URL = "media/"
CELERY_BROKER_URL = os.environ.get("BROKER_URL")

BASE_DIR = Path(__file__).resolve().parent.parent
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")
INSTALLED_APPS = ["django.contrib.staticfiles", "mysite"]
ROOT_URLCONF = "mysite.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

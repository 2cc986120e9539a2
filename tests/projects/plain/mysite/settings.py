"""A small project, as a user would have it: no static root, a hostile middleware, an exception on request."""

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "for tests only"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
MIDDLEWARE = ["mysite.middleware.NeverCached", "django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "mysite.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "mysite/templates"]}]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "mysite/static"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "no-such-database.invalid", "NAME": "x"}}

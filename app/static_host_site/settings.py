"""Settings of the bundled site.

Rule: importing this module writes nothing. The build imports it, too, without a database, and a secret key written then
would be in every copy of the image. So the key is created when it is first used.
"""

from django.utils.functional import SimpleLazyObject

from static_host.conf.settings import Settings
from static_host_site.secret_key import load_or_create_key

_settings = Settings.read()
_data_directory = _settings.site_data.absolute()


def _load_secret_key() -> str:
    given = _settings.secret_key
    return given.get_secret_value() if given else load_or_create_key(_data_directory)


SECRET_KEY = SimpleLazyObject(_load_secret_key)
DEBUG = _settings.debug
ALLOWED_HOSTS = list(_settings.allowed_hosts)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "static_host_site",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "static_host_site.csp_middleware.content_security_policy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "static_host_site.urls"
WSGI_APPLICATION = "static_host_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _data_directory / "site.sqlite3",
        # Reads continue during a write, and a writer waits for its turn instead of failing.
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL;", "transaction_mode": "IMMEDIATE", "timeout": 10},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = _data_directory / "static"

X_FRAME_OPTIONS = "DENY"
CSRF_COOKIE_HTTPONLY = True

"""Popular packages in one project, each set up as its documentation says. ZOO_SKIN selects the admin's look."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "not a secret: a project for tests, 0123456789 0123456789 abcdef"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
SKIN = os.environ.get("ZOO_SKIN", "")
SKINS = {"jazzmin": ["jazzmin"], "unfold": ["unfold"], "grappelli": ["grappelli"]}
INSTALLED_APPS = [
    *SKINS.get(SKIN, []),
    *("modeltranslation", "dal", "dal_select2"),
    *("django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages"),
    *("django.contrib.sessions", "django.contrib.sites", "django.contrib.staticfiles"),
    "zoo",
    *("adminsortable2", "allauth", "allauth.account", "colorfield", "constance", "corsheaders", "crispy_bootstrap5"),
    *("crispy_forms", "debug_toolbar", "django_bootstrap5", "django_celery_beat", "django_ckeditor_5"),
    *("django_countries", "django_extensions", "django_filters", "django_htmx", "django_json_widget"),
    *("django_select2", "django_tables2", "djmoney", "drf_spectacular", "drf_spectacular_sidecar", "drf_yasg"),
    *("guardian", "hijack", "hijack.contrib.admin", "import_export", "markdownx", "mptt", "nested_admin"),
    *("parler", "phonenumber_field", "rangefilter", "rest_framework", "reversion", "rosetta", "silk"),
    *("simple_history", "taggit", "tinymce", "waffle", "widget_tweaks"),
]
MIDDLEWARE = [
    "silk.middleware.SilkyMiddleware",
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "hijack.middleware.HijackUserMiddleware",
    "reversion.middleware.RevisionMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "waffle.middleware.WaffleMiddleware",
]
ROOT_URLCONF = "zoo.urls"
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
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
LOGIN_REDIRECT_URL = "/"
SITE_ID = 1
USE_TZ = True
LANGUAGES = [("en", "English"), ("de", "German")]
STATIC_URL = "/static/"
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

CKEDITOR_5_CONFIGS = {"default": {"toolbar": ["heading", "|", "bold", "link"]}}
CONSTANCE_BACKEND = "constance.backends.database.DatabaseBackend"
CONSTANCE_CONFIG = {"GREETING": ("Hello", "What the first page says")}
CORS_ALLOWED_ORIGINS = ["https://example.com"]
CRISPY_ALLOWED_TEMPLATE_PACKS = CRISPY_TEMPLATE_PACK = "bootstrap5"
DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": "zoo.urls.shows_toolbar"}
DJANGO_TABLES2_TEMPLATE = "django_tables2/bootstrap5.html"
PARLER_LANGUAGES = {1: [{"code": "en"}, {"code": "de"}], "default": {"fallbacks": ["en"]}}
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
}
ROSETTA_SHOW_AT_ADMIN_PANEL = True
SILKY_AUTHENTICATION = SILKY_AUTHORISATION = False
SPECTACULAR_SETTINGS = {"SWAGGER_UI_DIST": "SIDECAR", "SWAGGER_UI_FAVICON_HREF": "SIDECAR", "REDOC_DIST": "SIDECAR"}

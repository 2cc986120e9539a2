"""Two pages with the same modules: by the names of Vite's manifest, and as django-vite does, through the storage."""

import json

from django.conf import settings
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import path

MANIFEST = json.loads((settings.BASE_DIR / "dist/.vite/manifest.json").read_text())


def _own(name):
    return settings.STATIC_URL + name


def _page(request, url):
    entries = [MANIFEST["src/shop.js"], MANIFEST["src/basket.js"]]
    parts = [*entries, *(MANIFEST[name] for entry in entries for name in entry.get("imports", ()))]
    styles = sorted({url(name) for part in parts for name in part.get("css", ())})
    return render(request, "page.html", {"modules": [url(entry["file"]) for entry in entries], "styles": styles})


urlpatterns = [
    path("", _page, {"url": _own}),
    path("storage/", _page, {"url": static}),
]

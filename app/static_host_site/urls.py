"""The URLs of the bundled site: the inspector at the root, and the admin."""

from django.contrib import admin
from django.urls import path

from static_host_site.views import inspector

urlpatterns = [path("", inspector, name="inspector"), path("admin/", admin.site.urls)]

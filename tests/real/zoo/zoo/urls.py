"""The packages' own pages, and one page with the template tags and forms of the others."""

import django_filters
import django_tables2
from crispy_forms.helper import FormHelper
from dal import autocomplete
from django import forms
from django.contrib import admin
from django.shortcuts import render
from django.urls import include, path
from django_select2.forms import Select2Widget
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView
from drf_yasg import openapi
from drf_yasg.views import get_schema_view
from rest_framework.routers import DefaultRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from zoo.models import Animal, Keeper


def shows_toolbar(request):
    """The toolbar is on one page."""
    return request.path == "/toolbar/"


class Keepers(autocomplete.Select2QuerySetView):
    queryset = Keeper.objects.order_by("name")


class KeeperSerializer(ModelSerializer):
    class Meta:
        model = Keeper
        fields = ("id", "name", "born")


class KeeperViewSet(ModelViewSet):
    queryset = Keeper.objects.order_by("name")
    serializer_class = KeeperSerializer
    filterset_fields = ("name",)


class KeeperFilter(django_filters.FilterSet):
    class Meta:
        model = Keeper
        fields = ("name", "home")


class KeeperTable(django_tables2.Table):
    class Meta:
        model = Keeper
        fields = ("name", "home", "born")


class AnimalForm(forms.ModelForm):
    helper = FormHelper()

    class Meta:
        model = Animal
        fields = ("name", "keeper", "colour", "marked_text", "long_text")
        widgets = {"keeper": Select2Widget}


def show_all(request):
    table = KeeperTable(Keeper.objects.all())
    django_tables2.RequestConfig(request).configure(table)
    shown = {"form": AnimalForm(), "table": table, "filter": KeeperFilter(request.GET)}
    return render(request, "all.html", shown)


router = DefaultRouter()
router.register("keepers", KeeperViewSet)
schema = get_schema_view(openapi.Info(title="The zoo", default_version="1"), public=True)
urlpatterns = [
    path("", show_all),
    path("toolbar/", show_all),
    path("__debug__/", include("debug_toolbar.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include(router.urls)),
    path("ckeditor5/", include("django_ckeditor_5.urls")),
    path("grappelli/", include("grappelli.urls")),
    path("hijack/", include("hijack.urls")),
    path("keepers/", Keepers.as_view(), name="keepers"),
    path("markdownx/", include("markdownx.urls")),
    path("nested_admin/", include("nested_admin.urls")),
    path("rosetta/", include("rosetta.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("schema/redoc/", SpectacularRedocView.as_view(url_name="schema")),
    path("schema/swagger/", SpectacularSwaggerView.as_view(url_name="schema")),
    path("select2/", include("django_select2.urls")),
    path("silk/", include("silk.urls", namespace="silk")),
    path("tinymce/", include("tinymce.urls")),
    path("", include("waffle.urls")),
    path("yasg/redoc/", schema.with_ui("redoc")),
    path("yasg/swagger/", schema.with_ui("swagger")),
]

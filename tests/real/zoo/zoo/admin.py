"""Each model, with the admin class or the widget of a package."""

from adminsortable2.admin import SortableAdminMixin
from dal import autocomplete
from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import JSONField
from django_json_widget.widgets import JSONEditorWidget
from django_select2.forms import Select2Widget
from guardian.admin import GuardedModelAdmin
from import_export.admin import ImportExportModelAdmin
from modeltranslation.admin import TranslationAdmin
from mptt.admin import DraggableMPTTAdmin
from nested_admin import NestedModelAdmin, NestedStackedInline, NestedTabularInline
from parler.admin import TranslatableAdmin
from rangefilter.filters import DateRangeFilterBuilder
from reversion.admin import VersionAdmin
from simple_history.admin import SimpleHistoryAdmin

from zoo import models

Base = admin.ModelAdmin
if settings.SKIN == "unfold":
    from unfold.admin import ModelAdmin as Base


class AnimalForm(forms.ModelForm):
    """Its keeper is looked up by autocomplete-light."""

    class Meta:
        model = models.Animal
        fields = "__all__"
        widgets = {"keeper": autocomplete.ModelSelect2(url="keepers")}


@admin.register(models.Animal)
class AnimalAdmin(VersionAdmin, ImportExportModelAdmin, Base):
    form = AnimalForm
    formfield_overrides = {JSONField: {"widget": JSONEditorWidget}}


@admin.register(models.Keeper)
class KeeperAdmin(GuardedModelAdmin, SimpleHistoryAdmin, Base):
    list_filter = (("born", DateRangeFilterBuilder()),)
    formfield_overrides = {models.CountryField: {"widget": Select2Widget}}


@admin.register(models.Species)
class SpeciesAdmin(DraggableMPTTAdmin, Base):
    pass


@admin.register(models.House)
class HouseAdmin(SortableAdminMixin, Base):
    list_display = ("name", "position")


@admin.register(models.Cage)
class CageAdmin(TranslationAdmin, Base):
    pass


@admin.register(models.Sign)
class SignAdmin(TranslatableAdmin, Base):
    pass


class NestedHouse(models.House):
    """The same houses, with their cages and doors."""

    class Meta:
        proxy = True
        app_label = "zoo"


class DoorInline(NestedTabularInline):
    model = models.Door


class CageInline(NestedStackedInline):
    model = models.Cage
    inlines = (DoorInline,)


@admin.register(NestedHouse)
class NestedHouseAdmin(NestedModelAdmin):
    inlines = (CageInline,)

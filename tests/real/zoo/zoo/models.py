"""One model for each package that brings a field, a tree, or a table of its own."""

from colorfield.fields import ColorField
from django.conf import settings
from django.db import models
from django_ckeditor_5.fields import CKEditor5Field
from django_countries.fields import CountryField
from djmoney.models.fields import MoneyField
from markdownx.models import MarkdownxField
from mptt.models import MPTTModel, TreeForeignKey
from parler.models import TranslatableModel, TranslatedFields
from phonenumber_field.modelfields import PhoneNumberField
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager
from tinymce.models import HTMLField


class Keeper(models.Model):
    """A person, with fields of several packages."""

    name = models.CharField(max_length=50)
    home = CountryField(blank=True)
    phone = PhoneNumberField(blank=True)
    wage = MoneyField(max_digits=9, decimal_places=2, default_currency="EUR", null=True, blank=True)
    born = models.DateField(null=True, blank=True)
    history = HistoricalRecords()

    def __str__(self):
        return self.name


class Animal(models.Model):
    """An animal, with the editors."""

    name = models.CharField(max_length=50)
    keeper = models.ForeignKey(Keeper, on_delete=models.CASCADE, null=True, blank=True)
    colour = ColorField(default="#FF0000")
    facts = models.JSONField(default=dict, blank=True)
    long_text = HTMLField(blank=True)
    short_text = CKEditor5Field(blank=True)
    marked_text = MarkdownxField(blank=True)
    tags = TaggableManager(blank=True)

    def __str__(self):
        return self.name


class Species(MPTTModel):
    """A tree."""

    name = models.CharField(max_length=50)
    parent = TreeForeignKey("self", on_delete=models.CASCADE, null=True, blank=True)

    def __str__(self):
        return self.name


class House(models.Model):
    """A list with an order, whose name is in two languages."""

    name = models.CharField(max_length=50)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position",)


class Cage(models.Model):
    """An inline, with an inline of its own."""

    house = models.ForeignKey(House, on_delete=models.CASCADE)
    name = models.CharField(max_length=50)


class Door(models.Model):
    """An inline of an inline."""

    cage = models.ForeignKey(Cage, on_delete=models.CASCADE)
    opener = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True)


class Sign(TranslatableModel):
    """A text in two languages."""

    translations = TranslatedFields(text=models.CharField(max_length=50))

"""What modeltranslation translates."""

from modeltranslation.translator import TranslationOptions, register

from zoo.models import Cage


@register(Cage)
class CageOptions(TranslationOptions):
    """A cage's name."""

    fields = ("name",)

"""The table of the view ``rows``; the benchmark makes and fills it."""

from __future__ import annotations

from django.db import models


class City(models.Model):
    """A row."""

    name: models.CharField[str, str] = models.CharField(max_length=40)
    country: models.CharField[str, str] = models.CharField(max_length=40)
    inhabitants: models.IntegerField[int, int] = models.IntegerField()

    class Meta:
        """The table's name, which the benchmark uses."""

        db_table = "city"
        managed = False

    def __str__(self) -> str:
        return self.name

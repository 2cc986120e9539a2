from django.db import models


class Entry(models.Model):
    photo = models.FileField()
    mail = models.TextField()

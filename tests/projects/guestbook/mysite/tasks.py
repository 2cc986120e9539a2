from celery import shared_task
from django.template.loader import render_to_string

from mysite.models import Entry


@shared_task
def write_mail(entry_id):
    Entry.objects.filter(id=entry_id).update(mail=render_to_string("mail.txt"))

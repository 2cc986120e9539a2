from mysite.celery import app as app

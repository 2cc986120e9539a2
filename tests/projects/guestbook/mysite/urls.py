from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path

from mysite.models import Entry
from mysite.tasks import write_mail


def page(request):
    return render(request, "page.html", {"entries": Entry.objects.order_by("id")})


def upload(request):
    entry = Entry.objects.create(photo=request.FILES["photo"])
    write_mail.delay(entry.id)
    return HttpResponse(f"{entry.id} {entry.photo.size}")


def discard(request):
    """Let Django parse an upload, and say where the file is."""
    return HttpResponse(" ".join(f"{file.temporary_file_path()} {file.size}" for file in request.FILES.values()))


def mail(request, entry_id):
    return HttpResponse(get_object_or_404(Entry, id=entry_id).mail)


urlpatterns = [
    path("", page),
    path("upload/", upload),
    path("discard/", discard),
    path("mails/<int:entry_id>", mail),
]

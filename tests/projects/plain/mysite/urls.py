from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path


def page(request: HttpRequest) -> HttpResponse:
    return render(request, "page.html")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("this view always fails")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.method} {request.path} {len(request.body)}", content_type="text/plain")


urlpatterns = [path("", page), path("fail/", fail), path("staticpages/", echo), path("echo/", echo)]

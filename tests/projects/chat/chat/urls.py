from django.http import StreamingHttpResponse
from django.shortcuts import render
from django.urls import path


def room(request):
    return render(request, "room.html")


async def numbers(request):
    async def pieces():
        for number in range(3):
            yield f"{number}\n"

    return StreamingHttpResponse(pieces())


urlpatterns = [path("", room), path("numbers/", numbers)]

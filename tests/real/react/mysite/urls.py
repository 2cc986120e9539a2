"""The admin, and an API of Django REST framework; every other path is the application's."""

from django.contrib import admin
from django.http import Http404
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.viewsets import ViewSet

ITEMS = {7: "tea", 8: "milk"}


class Orders(ViewSet):
    """The orders."""

    def list(self, request):
        return Response([{"number": number, "item": item} for number, item in ITEMS.items()])

    def retrieve(self, request, pk):
        if not pk.isdigit() or int(pk) not in ITEMS:
            raise Http404
        return Response({"number": int(pk), "item": ITEMS[int(pk)]})


router = DefaultRouter()
router.register("orders", Orders, basename="order")
urlpatterns = [path("admin/", admin.site.urls), path("api/", include(router.urls))]

"""HTTP for Django, WebSockets for Channels."""

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

http = get_asgi_application()

from chat.consumers import Room  # noqa: E402 - it needs Django to be set up

application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(URLRouter([path("ws/room/", Room.as_asgi())]))}
)

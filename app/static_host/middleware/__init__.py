"""ASGI middleware, outermost first: forwarded addresses, request log, origin secret, static files.

May import `origin`, `object_store`, `telemetry` and `conf`. `static_host.asgi` puts the layers together.
"""

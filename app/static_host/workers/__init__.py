"""Django's processes as the front sees them: their start, the channels to them, and the ASGI application before both.

Rule: nothing here imports Django or the project; of the project's side only `frames` is imported, which both share.
May import `telemetry`, `origin`, `conf` and `errors`.
"""

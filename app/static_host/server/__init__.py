"""The serving process: the listening socket, uvicorn, and a clean shutdown.

May import `asgi`, `http` and what lies below them.
"""

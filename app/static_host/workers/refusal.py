"""The front's own responses to requests for the project that cannot be served."""

from __future__ import annotations

from starlette.types import Send

from static_host.origin.headers import UNCACHEABLE

_TEXTS = {
    404: b"Not Found\n",
    413: b"The body of this request is too large.\n",
    500: b"Internal Server Error",
    502: b"The server could not complete this request.\n",
    503: b"The server is busy. Try again in a moment.\n",
    504: b"The server did not respond in time.\n",
}
NO_ROOM_TEXT = b"There is no room for a body of this size.\n"


def build_refusal(status: int, text: bytes = b"") -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the header fields and the body for a status, with its text or another one."""
    text = text or _TEXTS[status]
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", UNCACHEABLE),
    ]
    if status == 503:
        fields.append((b"retry-after", b"1"))
    return fields, text


async def refuse(send: Send, status: int, text: bytes = b"") -> None:
    """Respond with a status, and its text or another one."""
    fields, text = build_refusal(status, text)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": text})

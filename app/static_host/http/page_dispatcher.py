"""Which requests are plain ones for pages, and whose turn it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from static_host.http.page import Page
from static_host.http.page_head import PageHead, parse_page_head
from static_host.middleware.forwarded import ClientAddress
from static_host.middleware.request_log import ensure_identifier
from static_host.origin.percent_decoding import unescape
from static_host.workers.pool import QueueFullError

if TYPE_CHECKING:
    from static_host.asgi import Front


class PageDispatcher:
    """Begins the requests that the project responds to. The connections of one process share it."""

    def __init__(self, front: Front) -> None:
        self.gateway = front.gateway
        self.recorder = front.recorder
        self._is_owned = front.responder.is_owned
        self._media = front.media
        self._open_paths = {path.encode() for path in front.open_paths}
        self._proxies = front.proxies
        self._secret = front.secret

    def parse(self, head: bytes) -> PageHead | None:
        """Return the parts of a head, or None if it is not that of a plain request, or not for the project."""
        parsed = parse_page_head(head)
        if parsed is None or self._is_owned(parsed.path):
            return None
        if self._media is not None and self._media.is_owned(parsed.path):
            return None
        path = unescape(parsed.path) if b"%" in parsed.path else parsed.path
        return None if path in self._open_paths else parsed

    def begin(
        self,
        parsed: PageHead,
        head: bytes,
        client: ClientAddress | None,
        server: tuple[str, int | None] | None,
        scheme: str,
    ) -> Page | None:
        """Take one complete request; None if that is the ASGI path's: it is refused, or a channel has to be opened."""
        fields = parsed.fields
        if self._secret is not None:
            name = self._secret.field
            if not self._secret.is_among(value for each, value in fields if each == name):
                return None
            fields = [field for field in fields if field[0] != name]
        pool = self.gateway.pool
        channel, waiting = pool.take_free(), None
        if channel is None:
            if pool.has_free_channel:
                return None
            try:
                waiting = pool.join_queue()
            except QueueFullError:
                return None
        is_timed = self.gateway.is_timed or self.recorder is not None
        proxy_seconds = self._proxies.measure_proxy_seconds(client, fields) if is_timed else 0.0
        client, forwarded_scheme, fields = self._proxies.resolve(client, fields)
        identifier = ""
        if self.recorder is not None:
            identifier, fields = ensure_identifier(fields)
        scheme = forwarded_scheme or scheme
        return Page(self, head, parsed, (channel, waiting), (client, server), scheme, identifier, fields, proxy_seconds)

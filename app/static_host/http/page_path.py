"""The page path: gives plain requests for pages to a worker, in uvicorn's protocol class, before ASGI begins.

Rule: a request that arrives alone, between two others, goes to a worker at once (`page`), and its whole response to the
transport, as uvicorn would write it. For any other response, and after a failure, uvicorn's parser gets the head after
all, and an application that has the request already: the rest is the ASGI path's.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from static_host.http.fast_path import FastPathProtocol
from static_host.http.limits import HALF_CLOSED_TIMEOUT_SECONDS
from static_host.http.page import Page
from static_host.middleware.forwarded import unmap_ipv4

MAX_PENDING_BYTES = 64 << 10
"""Bytes behind a request that are read before its response is written."""
_END_OF_HEAD = b"\r\n\r\n"


class PagePathProtocol(FastPathProtocol):
    """The fast path's protocol class, with the way to the workers."""

    def __init__(self, config: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(config, *arguments, **options)
        self._pages = self._state.pages
        self._page: Page | None = None
        self._taken_over: Page | None = None

    def connection_made(self, transport: Any) -> None:
        """Set up the connection."""
        super().connection_made(transport)
        if self.server:
            self.server = (unmap_ipv4(self.server[0]), self.server[1])

    def data_received(self, data: bytes) -> None:
        """Keep what follows a request for a page until its response is written."""
        page = self._page
        if page is None:
            super().data_received(data)
            return
        page.pending_data += data
        if len(page.pending_data) > MAX_PENDING_BYTES:
            self.flow.pause_reading()

    def _begin_other(self, data: bytes) -> bool:
        if self._pages is None or data.find(_END_OF_HEAD) + len(_END_OF_HEAD) != len(data):
            return False
        parsed = self._pages.parse(data)
        page = (
            self._pages.begin(parsed, data, self.client, self.server) if parsed and self._is_one_request(data) else None
        )
        if page is None:
            return False
        self._page = page
        self._stop_head_timer()
        page.start(self._continue_page)
        return True

    def _continue_page(self) -> None:
        """Write the response if it is whole; else have the ASGI path continue."""
        page = self._page
        if page is None:
            return
        response = None if self.flow.write_paused else page.take_response()
        if response is None:
            self._hand_over(page)
            return
        status, lines, body = response
        self._page = None
        end = b"connection: close\r\n\r\n" if self.is_last else b"\r\n"
        begin = self._state.begin_head(status, self.server_state.default_headers)
        self.transport.write(b"".join([begin, lines, end, body]))
        page.record(status, lines, len(body))
        self.server_state.total_requests += 1
        self._answered_at = self._time()
        if self.is_last:
            self.transport.close()
            return
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        if page.pending_data:
            self._read_on(page)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, or wait on while a worker has a request of it."""
        if self._page is None:
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _hand_over(self, page: Page) -> None:
        page.stop_watching()
        self._page, self._taken_over = None, page
        self._pass_on(page.request_head)
        if self._taken_over is not None:  # it was refused
            self._taken_over = None
            page.abandon()
        self._read_on(page)

    def _read_on(self, page: Page) -> None:
        if len(page.pending_data) > MAX_PENDING_BYTES:
            self.flow.resume_reading()
        if page.pending_data:
            self.data_received(page.pending_data)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        page, self._taken_over = self._taken_over, None
        super()._start_asgi_task(cycle, app if page is None else page.respond)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # as in LimitedProtocol
        """Keep the connection open for the response to a complete request, by returning True."""
        page = self._page
        if page is not None and (page.pending_data or page.is_waiting):
            self._hand_over(page)  # what follows is to be answered, too; who waits may have gone
        if self._page is None:
            return super().eof_received()
        self.is_last = True
        self.loop.call_later(HALF_CLOSED_TIMEOUT_SECONDS, self._close_unanswered)
        return True

    def _close_unanswered(self) -> None:
        if self._page is not None:
            self.transport.close()
        else:
            super()._close_unanswered()

    def _close_if_idle(self) -> None:
        if self._page is None:
            super()._close_if_idle()

    def connection_lost(self, exc: Exception | None) -> None:
        """Abandon the request that a worker has."""
        page, self._page = self._page, None
        if page is not None:
            page.abandon()
        super().connection_lost(exc)

"""Plain requests for pages: to a worker at once, and the whole response to the transport, without ASGI.

Rule: a plain request goes to a worker (`page`), and its response is written as the ASGI path would write it. For any
response that is not whole and plain, and after a failure, the parser gets the head after all, and an application that
has the request already: the rest is the ASGI path's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from static_host.http.connection_state import State
from static_host.http.page import Page
from static_host.http.page_response import PageResponse
from static_host.http.server_context import ServerContext

if TYPE_CHECKING:
    from static_host.http.connection import HttpProtocol

_END_OF_HEAD = b"\r\n\r\n"


class PagePath:
    """The pages of one connection."""

    def __init__(self, connection: HttpProtocol, context: ServerContext) -> None:
        self._connection = connection
        self._context = context
        self._is_one_request = context.single_request_parser.is_one_request
        self._page: Page | None = None

    def begin(self, data: bytes) -> bytes:
        """Begin the request that the data begins with, if it is a plain one for a page; return the rest."""
        connection, dispatcher = self._connection, self._context.pages
        head = data[: data.find(_END_OF_HEAD) + len(_END_OF_HEAD)]
        parsed = dispatcher.parse(head) if dispatcher is not None else None
        if dispatcher is None or parsed is None or not self._is_one_request(head):
            return data
        page = dispatcher.begin(parsed, head, connection.client, connection.server, connection.scheme)
        if page is None:
            return data
        self._page = page
        connection.begin_response(State.PAGE, data[len(head) :])
        page.start(self._go_on)
        if page.is_waiting and connection.is_half_closed:
            self.hand_over()  # the client may have gone
        return b""

    @property
    def is_waiting(self) -> bool:
        """Whether the request waits for a worker."""
        return self._page is not None and self._page.is_waiting

    def abandon(self) -> None:
        """Give the request up: its client has gone."""
        page, self._page = self._page, None
        if page is not None:
            page.abandon()

    def hand_over(self) -> None:
        """Have the ASGI path continue."""
        page, self._page = self._page, None
        if page is not None:
            page.stop_watching()
            if not self._connection.pass_on(page.request_head, page.respond):
                page.abandon()

    def _go_on(self) -> None:
        """Write the response if it is whole."""
        page, connection = self._page, self._connection
        if page is None:
            return
        response = None if connection.flow.is_write_paused else page.take_response()
        if response is None:
            self.hand_over()
            return
        self._page = None
        is_last = connection.is_ending
        end = b"connection: close\r\n\r\n" if is_last else b"\r\n"
        begin = self._context.begin_head(response.status, connection.server_state.default_headers)
        head = b"".join((begin, response.lines, end))
        if response.parts:
            on_end = partial(self._note_sent, page, response)
            connection.files.start(head, response.parts, b"", on_end, is_last=is_last)
            return
        connection.transport.write(head + response.body)
        page.record(response.status, response.lines, len(response.body), response.handler)
        connection.end_response(is_last=is_last)

    def _note_sent(self, page: Page, response: PageResponse, sent_bytes: int) -> None:
        response.close()
        page.record(response.status, response.lines, sent_bytes, response.handler)

"""Whether bytes are exactly one request without a body, as httptools decides it.

Rule: httptools is the parser of the ASGI path, too, so that both paths agree on where a request ends.

Strategy: this parser has no callbacks for header fields, which would cost more than everything else it does.
"""

from __future__ import annotations

import httptools


class SingleRequestParser:
    """Decides whether bytes are exactly one request without a body."""

    def __init__(self) -> None:
        self._begun = self._complete = 0
        self._parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """Count for httptools."""
        self._begun += 1

    def on_message_complete(self) -> None:
        """Count for httptools."""
        self._complete += 1

    def is_one_request(self, data: bytes) -> bool:
        """Whether the parser finds one message in the data and nothing else. It is ready for the next data then."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._complete = -1
        if self._begun == self._complete == 1:
            self._begun = self._complete = 0
            return True
        self.__init__()  # type: ignore[misc]  # a parser cannot be reset
        return False

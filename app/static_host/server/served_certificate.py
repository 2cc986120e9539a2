"""The certificate that new connections get, kept up to date.

Rule: changed files are read again when they have been the same for `CHECK_SECONDS`, so that a certificate and its key
can be written one after the other, and on SIGHUP at once. Files that cannot be served change nothing, and are an error
in the log. Connections that are open stay as they are.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress

from static_host.server.tls_files import CertificateError, TlsContext, TlsFiles

log = logging.getLogger("static_host")

CHECK_SECONDS = 1.0
"""Time between two looks at the files."""


class ServedCertificate:
    """The context of the newest files that can be served. Raises CertificateError."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._read_stamps = files.get_stamps()
        self._served = files.load()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_wanted = asyncio.Event()
        _log_certificate("serving", self._served)

    def get_context(self) -> ssl.SSLContext:
        """Return the context for a new connection."""
        return self._served.context

    def request_reload(self) -> None:
        """Read the files again. Call it from any thread, or from a signal's handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._is_wanted.set)

    async def watch(self) -> None:
        """Read the files again whenever they change or somebody wants it, until cancelled."""
        self._loop = asyncio.get_running_loop()
        stamps = self._read_stamps
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_wanted.wait(), CHECK_SECONDS)
            last, stamps = stamps, await asyncio.to_thread(self._files.get_stamps)
            if self._is_wanted.is_set() or (stamps == last and stamps != self._read_stamps):
                self._is_wanted.clear()
                self._read_stamps = stamps
                await asyncio.to_thread(self._reload)

    def _reload(self) -> None:
        try:
            self._served = self._files.load()
        except CertificateError as error:
            log.error("TLS: the certificate stays as it is: %s", error)  # noqa: TRY400 - no fault of ours
        else:
            _log_certificate("now serving", self._served)


def _log_certificate(verb: str, served: TlsContext) -> None:
    if served.fault:
        log.warning("TLS: %s that clients will refuse: %s", f"{verb} {served.description}", served.fault)
    else:
        log.info("TLS: %s %s", verb, served.description)

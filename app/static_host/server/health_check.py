"""Requests the liveness check of the server in the same container: ``python -m static_host.server.health_check``.

Rule: exit code 0 for a server that responds with 200, wherever HOST, PORT and TLS_CERTIFICATE have it; else 1. With
TLS_CLIENT_CA the server refuses this client, which has no certificate: it does so only if it lives.

Strategy: the standard library alone, for a check runs every few seconds, also while the processor is busy.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
from collections.abc import Mapping

TIMEOUT_SECONDS = 2.0
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - nothing listens here


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Return the exit code."""
    variables = {name: value.strip() for name, value in environment.items()}
    try:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = _connect(variables)
        connection.request("GET", variables.get("DJANGO_HEALTH_PATH") or "/healthz")
        status = connection.getresponse().status
    except ssl.SSLError as error:
        if variables.get("TLS_CLIENT_CA") and "_ALERT_" in str(error.reason):
            return 0
        print(error, file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException) as error:
        print(error, file=sys.stderr)
        return 1
    return int(status != http.client.OK)


def _connect(variables: Mapping[str, str]) -> socket.socket:
    host = variables.get("HOST", "")
    if host.startswith("unix:"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_SECONDS)
        connection.connect(host.removeprefix("unix:"))
    else:
        host = "127.0.0.1" if host in _EVERY_ADDRESS else host.strip("[]")
        connection = socket.create_connection((host, int(variables.get("PORT") or 8000)), TIMEOUT_SECONDS)
    if not variables.get("TLS_CERTIFICATE"):
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is the server's name for others, and may have expired
    return context.wrap_socket(connection)


if __name__ == "__main__":
    sys.exit(main())

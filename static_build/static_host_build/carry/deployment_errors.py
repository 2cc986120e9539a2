"""Explains why a deployment returns no file, and what to do: an error status, or an error instead of a response.

Rule: the remedy addresses the operator of the build. OpenSSL chooses the certificate authorities (SSL_CERT_FILE, else
the system's), as for other Python clients.
"""

from __future__ import annotations

import ssl
import urllib.error
from urllib.parse import urljoin, urlsplit

from static_host.origin.index import INDEX_FILE_NAME

_CERTIFICATE_ERRORS = {
    9: ("its certificate is not valid yet", "Is this machine's clock right?"),
    10: ("its certificate has expired", "Renew it there."),
    62: ("its certificate is for other hosts", "Use a host name of the certificate."),
    64: ("its certificate is for other hosts", "Use a host name of the certificate."),
}
"""OpenSSL's X509_V_ERR_… (x509_vfy.h) → reason and remedy. All others mean that the certificate is not trusted."""
_NO_TLS_REASONS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""The reasons that OpenSSL 3.0 and later versions give for a response in plain HTTP."""


class FetchError(Exception):
    """A request failed; the message says why, as the end of a sentence. `status` is 0 without a response.

    `remedy` is a whole sentence, or empty. If `is_final`, repeating the request would not help.
    """

    def __init__(self, reason: str, remedy: str = "", *, status: int = 0, is_final: bool = False) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.status = status
        self.is_final = is_final


def explain_status(status: int, reason: str, url: str, location: str = "") -> FetchError:
    """Return the error for a status other than 200; `location` is the response's field, relative to `url`."""
    remedy = _format_redirect_remedy(urljoin(url, location)) if location else _STATUS_REMEDIES.get(status, "")
    return FetchError(f"returns {status} {reason}", remedy, status=status, is_final=status < 500)


def explain_connection_error(error: Exception) -> FetchError:
    """Return the error for an exception that was raised instead of a response."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason, remedy = _CERTIFICATE_ERRORS.get(cause.verify_code) or _explain_distrust(cause)
        return FetchError(f"cannot be reached: {reason}", remedy, is_final=True)
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS_REASONS:
        return FetchError("cannot be reached: there is no TLS", "Does its address begin with http://?", is_final=True)
    return FetchError(
        f"cannot be reached: {cause}", "Is the address right, including http or https, and is the deployment running?"
    )


_STATUS_REMEDIES = {
    403: "If the deployment has a secret, set DJANGO_ORIGIN_SECRET for the build. Other hosts get it over https only.",
    404: "Set DJANGO_STATIC_SHOW_INDEX=true there, so that the deployment shows its index.",
}


def _format_redirect_remedy(address: str) -> str:
    """Return the remedy for a redirect. Leaves the query out, as it may contain a token."""
    parts = urlsplit(address)._replace(query="", fragment="")
    where = parts.geturl()
    if where.endswith(f"/{INDEX_FILE_NAME}"):
        return (
            f"It redirects to {where}, and the build does not follow redirects: "
            f"name {where.removesuffix(INDEX_FILE_NAME)} instead."
        )
    return f"It redirects to {where}, and the build does not follow redirects: name the address of its static files."


def _explain_distrust(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    known = ssl.get_default_verify_paths()
    remedy = (
        f"Trusted authorities: {known.cafile or known.capath}. For your own authority, name the file of its "
        "certificate in SSL_CERT_FILE."
    )
    return f"its certificate is not trusted: {error.verify_message}", remedy

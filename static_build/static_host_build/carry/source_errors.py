"""Why a deployment gives no file, in words: what it answered, or what kept it from answering; and what can be done.

Rule: the remedy is for who runs the build. Authorities of certificates are OpenSSL's choice (SSL_CERT_FILE, else the
system's), as for every other client in Python.
"""

from __future__ import annotations

import ssl
import urllib.error
from urllib.parse import urljoin, urlsplit

from static_host.origin.index import INDEX_FILE_NAME

_CERTIFICATE_ERRORS = {
    9: ("its certificate is not valid yet", "Is this machine's clock right?"),
    10: ("its certificate has expired", "Renew it there."),
    62: ("its certificate is for other hosts", "Name one that it has."),
    64: ("its certificate is for other hosts", "Name one that it has."),
}
"""X509_V_ERR_… in OpenSSL's x509_vfy.h → what is wrong. Every other one says that the certificate is not trusted."""
_NO_TLS_REASONS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""What OpenSSL 3.0, and what later ones, say of an answer in plain HTTP."""


class FetchError(Exception):
    """There is no file; the message says why, as the end of a sentence. `status` is 0 where there was no answer.

    `remedy` is a sentence of its own, or empty. What is `final` will be the same when it is asked for again.
    """

    def __init__(self, reason: str, remedy: str = "", *, status: int = 0, is_final: bool = False) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.status = status
        self.is_final = is_final


def explain_status(status: int, reason: str, url: str, location: str = "") -> FetchError:
    """Return what an answer means that is no 200; `location` is where it leads to, from `url`."""
    remedy = _format_redirect_remedy(urljoin(url, location)) if location else _STATUS_REMEDIES.get(status, "")
    return FetchError(f"is answered {status} {reason}", remedy, status=status, is_final=status < 500)


def explain_connection_error(error: Exception) -> FetchError:
    """Return what an error means that came in place of an answer."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason, remedy = _CERTIFICATE_ERRORS.get(cause.verify_code) or _explain_distrust(cause)
        return FetchError(f"cannot be reached: {reason}", remedy, is_final=True)
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS_REASONS:
        return FetchError("cannot be reached: there is no TLS", "Does its address begin with http://?", is_final=True)
    return FetchError(
        f"cannot be reached: {cause}", "Is the address right, http or https, too, and the deployment running?"
    )


_STATUS_REMEDIES = {
    403: "Behind a secret, set DJANGO_ORIGIN_SECRET for the build, too; over http it is sent to this machine alone.",
    404: "Set DJANGO_STATIC_SHOW_INDEX=true there, so that the deployment shows its index.",
}


def _format_redirect_remedy(address: str) -> str:
    """Return the remedy for a redirection. What a query has is nobody's business: it may be a token."""
    parts = urlsplit(address)._replace(query="", fragment="")
    where = parts.geturl()
    if where.endswith(f"/{INDEX_FILE_NAME}"):
        return (
            f"It leads to {where}, and redirections are not followed: "
            f"name {where.removesuffix(INDEX_FILE_NAME)} in its place."
        )
    return f"It leads to {where}, and redirections are not followed: name the address at which its static files are."


def _explain_distrust(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    known = ssl.get_default_verify_paths()
    remedy = (
        f"Authorities are taken from {known.cafile or known.capath}; for one of your own, name the file of its "
        "certificate in SSL_CERT_FILE."
    )
    return f"its certificate is not trusted: {error.verify_message}", remedy

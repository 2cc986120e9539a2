"""Why a deployment gives no file, in words: what it answered, or what kept it from answering; and what can be done.

Rule: the remedy is for who runs the build. Authorities of certificates are OpenSSL's choice (SSL_CERT_FILE, else the
system's), as for every other client in Python.
"""

from __future__ import annotations

import ssl
import urllib.error
from urllib.parse import urljoin, urlsplit

from static_host.origin.index import NAME

_CERTIFICATES = {
    9: ("its certificate is not valid yet", "Is this machine's clock right?"),
    10: ("its certificate has expired", "Renew it there."),
    62: ("its certificate is for other hosts", "Name one that it has."),
    64: ("its certificate is for other hosts", "Name one that it has."),
}
"""X509_V_ERR_… in OpenSSL's x509_vfy.h → what is wrong. Every other one says that the certificate is not trusted."""
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
"""What OpenSSL 3.0, and what later ones, say of an answer in plain HTTP."""


class Refused(Exception):
    """There is no file; the message says why, as the end of a sentence. `status` is 0 where there was no answer.

    `remedy` is a sentence of its own, or empty. What is `final` will be the same when it is asked for again.
    """

    def __init__(self, reason: str, remedy: str = "", *, status: int = 0, final: bool = False) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.status = status
        self.final = final


def answered(status: int, reason: str, url: str, location: str = "") -> Refused:
    """Return what an answer means that is no 200; `location` is where it leads to, from `url`."""
    remedy = _leading(urljoin(url, location)) if location else _STATUSES.get(status, "")
    return Refused(f"is answered {status} {reason}", remedy, status=status, final=status < 500)


def unreachable(error: Exception) -> Refused:
    """Return what an error means that came in place of an answer."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason, remedy = _CERTIFICATES.get(cause.verify_code) or _distrust(cause)
        return Refused(f"cannot be reached: {reason}", remedy, final=True)
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return Refused("cannot be reached: there is no TLS", "Does its address begin with http://?", final=True)
    return Refused(
        f"cannot be reached: {cause}", "Is the address right, http or https, too, and the deployment running?"
    )


_STATUSES = {
    403: "Behind a secret, set DJANGO_ORIGIN_SECRET for the build, too; over http it is sent to this machine alone.",
    404: "Set DJANGO_STATIC_SHOW_INDEX=true there, so that the deployment shows its index.",
}


def _leading(address: str) -> str:
    """Return the remedy for a redirection. What a query has is nobody's business: it may be a token."""
    parts = urlsplit(address)._replace(query="", fragment="")
    where = parts.geturl()
    if where.endswith(f"/{NAME}"):
        return f"It leads to {where}, and redirections are not followed: name {where.removesuffix(NAME)} in its place."
    return f"It leads to {where}, and redirections are not followed: name the address at which its static files are."


def _distrust(error: ssl.SSLCertVerificationError) -> tuple[str, str]:
    known = ssl.get_default_verify_paths()
    remedy = (
        f"Authorities are taken from {known.cafile or known.capath}; for one of your own, name the file of its "
        "certificate in SSL_CERT_FILE."
    )
    return f"its certificate is not trusted: {error.verify_message}", remedy

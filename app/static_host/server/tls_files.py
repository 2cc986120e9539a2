"""The files of TLS → a context for connections.

Rule: files that cannot be served are one error, which names the variable, its value and the remedy. A certificate that
clients will refuse, for example an expired one, is served with a warning: some clients do not look.

Strategy: a handshake in memory, with a client that trusts the certificate, tells what a client will say of it.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from static_host.conf.settings import Settings
from static_host.errors import StaticHostError

_MAX_STEPS = 10
"""Steps of a handshake: TLS 1.3 takes three."""
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_REMEDY = "Set it to the path of a PEM file that this process may read."


class CertificateError(StaticHostError):
    """The certificate or its key cannot be used."""

    exit_code = 2


class TlsContext(NamedTuple):
    """What connections are accepted with."""

    context: ssl.SSLContext
    description: str
    """Whose certificate it is, and its end."""
    fault: str
    """Why clients will refuse the certificate, or an empty string."""


class TlsFiles(NamedTuple):
    """The files that TLS needs."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> TlsFiles | None:
        """Return the files that the settings name, or None without TLS."""
        certificate = settings.tls_certificate
        return cls(certificate, settings.tls_key or certificate, settings.tls_client_ca) if certificate else None

    def get_stamps(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file does."""
        return tuple(_get_stamp(path) for path in self if path)

    def load(self) -> TlsContext:
        """Read the files. Raises CertificateError."""
        certificate = _read(self.certificate, "TLS_CERTIFICATE", "CERTIFICATE")
        _read(self.key, "TLS_KEY", "PRIVATE KEY")
        context = make_context()
        place = f"TLS_CERTIFICATE={self.certificate} with TLS_KEY={self.key}"
        try:
            context.load_cert_chain(self.certificate, self.key, password="")  # else OpenSSL asks for one
        except ssl.SSLError as error:
            is_other_key = error.reason == "KEY_VALUES_MISMATCH"
            reason = "the key is that of another certificate" if is_other_key else _explain(error)
            remedy = "The file of TLS_CERTIFICATE begins with the server's own certificate, TLS_KEY has its key."
            raise CertificateError(f"{place}: {reason}.", remedy=remedy) from None
        except OSError as error:  # it is gone since
            raise CertificateError(f"{place}: {error.strerror}.", remedy=_REMEDY) from None
        first = certificate[certificate.index(_BEGIN) : certificate.index(_END) + len(_END)]
        description, fault = _examine(context, first)
        if self.client_ca:
            _require_client_certificates(context, self.client_ca)
        return TlsContext(context, description, fault)


def make_context() -> ssl.SSLContext:
    """Return a server's context without a certificate: TLS 1.2 and 1.3, Python's ciphers, HTTP/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _get_stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path, variable: str, label: str) -> str:
    """Return the text of a PEM file with an unencrypted `label`. Raises CertificateError."""
    try:
        text = path.read_text("latin-1")
    except OSError as error:
        raise CertificateError(f"{variable}={path}: {error.strerror}.", remedy=_REMEDY) from None
    if f"{label}-----" not in text or (label == "CERTIFICATE" and not 0 <= text.find(_BEGIN) < text.find(_END)):
        raise CertificateError(f"{variable}={path}: it has no PEM {label.lower()}.", remedy=_REMEDY)
    if "ENCRYPTED" in text and label == "PRIVATE KEY":
        remedy = "Write it without one: openssl pkey -in KEY -out NEW."
        raise CertificateError(f"{variable}={path}: the key has a passphrase.", remedy=remedy)
    return text


def _examine(context: ssl.SSLContext, certificate: str) -> tuple[str, str]:
    """Shake hands with a client that trusts the certificate; return its description, and why the client refuses it."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    client, server = client_context.wrap_bio(one, other), context.wrap_bio(other, one, server_side=True)
    try:
        client_context.load_verify_locations(cadata=certificate)
        for end, _ in zip(cycle((client, server)), range(_MAX_STEPS), strict=False):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return "a certificate", error.verify_message
    except ssl.SSLError as error:
        return "a certificate", _explain(error)
    facts = client.getpeercert() or {}
    names = [str(value) for _, value in facts.get("subjectAltName", ())]  # type: ignore[str-unpack]
    return f"the certificate of {', '.join(names) or 'no host'}, valid until {facts.get('notAfter')}", ""


def _require_client_certificates(context: ssl.SSLContext, client_ca: Path) -> None:
    _read(client_ca, "TLS_CLIENT_CA", "CERTIFICATE")
    try:
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(f"TLS_CLIENT_CA={client_ca}: {_explain(error)}.", remedy=_REMEDY) from None
    context.verify_mode = ssl.CERT_REQUIRED


def _explain(error: OSError) -> str:
    """Return OpenSSL's reason in plain words."""
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return "the file is damaged" if reason in ("PEM_LIB", "ASN1_LIB", None) else str(reason).replace("_", " ").lower()

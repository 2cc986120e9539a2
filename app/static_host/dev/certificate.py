"""A certificate for `static-host dev --tls`, signed by itself, made by the program ``openssl`` at each start."""

from __future__ import annotations

import ssl
import subprocess
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from static_host.server.tls_files import CertificateError, TlsFiles

_DAYS = 90


def make_ssl_context(host: str) -> ssl.SSLContext:
    """Return a context with a new certificate for localhost and the host; nothing is kept. Raises CertificateError."""
    with TemporaryDirectory() as directory:
        key, certificate = Path(directory, "key.pem"), Path(directory, "certificate.pem")
        _run_openssl(host, key, certificate)
        return TlsFiles(certificate, key).load().context


def _run_openssl(host: str, key: Path, certificate: Path) -> None:
    names = dict.fromkeys(["DNS:localhost", "IP:127.0.0.1", "IP:::1", _format_name(host)])
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=static-host dev", "-addext", f"subjectAltName={','.join(names)}", "-days", str(_DAYS)]
    command += ["-addext", "extendedKeyUsage=serverAuth", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)  # noqa: S603
    except FileNotFoundError:
        remedy = "Install openssl, or leave --tls out."
        raise CertificateError("--tls needs the program openssl, which is not on PATH.", remedy=remedy) from None
    except subprocess.CalledProcessError as error:
        raise CertificateError(f"openssl could not make a certificate: {error.stderr.strip()}") from None


def _format_name(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return "DNS:localhost" if ":" in host else f"DNS:{host}"  # a Unix socket

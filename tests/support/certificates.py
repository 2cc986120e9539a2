"""Makes certificates for tests: an authority, and the certificates that it signs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A certificate authority. Clients trust it only if SSL_CERT_FILE names its certificate, `file`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False}
        more = {"data_encipherment": False, "key_agreement": False, "encipher_only": False, "decipher_only": False}
        own = [
            (x509.BasicConstraints(ca=True, path_length=0), True),
            (x509.KeyUsage(**usage, **more, key_cert_sign=True, crl_sign=True), True),
            (self._identifier, False),
        ]
        self.file = directory / "authority.pem"
        self.file.write_bytes(self._sign("an authority for tests", self._key.public_key(), own, days=2))

    def issue(self, *hosts: str, days: int = 2) -> Path:
        """Return a file with a certificate for these names and addresses, and its key. It expires after `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        own = [(x509.SubjectAlternativeName(names), False), (authority, False)]
        path = self._directory / f"{hosts[0]}{days:+}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(secret + self._sign(hosts[0], key.public_key(), own, days))
        return path

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        extensions: Iterable[tuple[x509.ExtensionType, bool]],
        days: int,
    ) -> bytes:
        end = datetime.now(UTC) + days * DAY
        made = x509.CertificateBuilder(
            _make_name("an authority for tests"), _make_name(name), key, x509.random_serial_number()
        )
        made = made.not_valid_before(end - 9 * DAY).not_valid_after(end)
        for extension, is_critical in extensions:
            made = made.add_extension(extension, is_critical)
        return made.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _make_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

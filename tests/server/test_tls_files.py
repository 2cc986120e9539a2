"""The files of TLS: what cannot be served is an error with exit code 2; what clients will refuse is a warning."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from static_host.conf.settings import InvalidSettingsError, Settings
from static_host.server.served_certificate import ServedCertificate
from static_host.server.tls_files import CertificateError, TlsFiles
from tests.support.certificates import Authority
from tests.support.processes import run
from tests.support.projects import SETTINGS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """A certificate and its key, in files of their own."""
    key, begin, certificate = authority.issue("localhost", "127.0.0.1").read_text().partition("-----BEGIN CERT")
    (tmp_path / "tls.crt").write_text(begin + certificate)
    (tmp_path / "tls.key").write_text(key)
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def fail(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    """Return the message without the test's directory."""
    with pytest.raises(CertificateError) as caught:
        TlsFiles(certificate, key, client_ca).load()
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(certificate.parent), "…")


MUST_READ = " Set it to the path of a PEM file that this process may read."
FITS = " The file of TLS_CERTIFICATE begins with the server's own certificate, TLS_KEY has its key."


NO_CERTIFICATE = "TLS_CERTIFICATE=…/tls.crt: it has no PEM certificate." + MUST_READ
NO_KEY = "TLS_KEY=…/tls.key: it has no PEM private key." + MUST_READ


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda cert, _: cert.unlink(), "TLS_CERTIFICATE=…/tls.crt: No such file or directory." + MUST_READ),
        (lambda _, key: key.unlink(), "TLS_KEY=…/tls.key: No such file or directory." + MUST_READ),
        (lambda cert, _: cert.write_text(""), NO_CERTIFICATE),
        (lambda cert, key: cert.write_bytes(key.read_bytes()), NO_CERTIFICATE),
        (lambda cert, key: key.write_bytes(cert.read_bytes()), NO_KEY),
        (lambda cert, _: cert.write_bytes(b"\xff\xfe" * 100), NO_CERTIFICATE),
        (
            lambda cert, _: cert.write_text(cert.read_text().replace("M", "A")),
            "TLS_CERTIFICATE=…/tls.crt with TLS_KEY=…/tls.key: the file is damaged." + FITS,
        ),
        (
            lambda _, key: key.write_text(key.read_text().replace("M", "A")),
            "TLS_CERTIFICATE=…/tls.crt with TLS_KEY=…/tls.key: the file is damaged." + FITS,
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    pair: tuple[Path, Path], damage: Callable[[Path, Path], object], message: str
) -> None:
    damage(*pair)
    assert fail(*pair) == message


def test_a_key_of_another_certificate_is_named(pair: tuple[Path, Path], authority: Authority) -> None:
    pair[1].write_bytes(authority.issue("other.example.com").read_bytes())
    assert fail(*pair) == (
        "TLS_CERTIFICATE=…/tls.crt with TLS_KEY=…/tls.key: the key is that of another certificate." + FITS
    )


def test_a_directory_and_a_file_that_may_not_be_read_are_named(pair: tuple[Path, Path]) -> None:
    assert fail(pair[0].parent / "tls.crt", pair[1].parent).startswith("TLS_KEY=…: Is a directory.")


def test_a_key_with_a_passphrase_is_named_and_no_one_is_asked_for_it(pair: tuple[Path, Path]) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    secret = ec.generate_private_key(ec.SECP256R1())
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pair[1].write_bytes(secret.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret")))
        assert fail(*pair) == (
            "TLS_KEY=…/tls.key: the key has a passphrase. Write it without one: openssl pkey -in KEY -out NEW."
        )


def test_authorities_that_cannot_be_used_are_named(pair: tuple[Path, Path]) -> None:
    missing, damaged = pair[0].with_name("ca.pem"), pair[0].with_name("damaged.pem")
    damaged.write_text(pair[0].read_text().replace("M", "A"))
    assert fail(*pair, missing) == "TLS_CLIENT_CA=…/ca.pem: No such file or directory." + MUST_READ
    assert fail(*pair, pair[1]) == "TLS_CLIENT_CA=…/tls.key: it has no PEM certificate." + MUST_READ
    assert fail(*pair, damaged).startswith("TLS_CLIENT_CA=…/damaged.pem: ")


def test_a_certificate_is_described(pair: tuple[Path, Path], authority: Authority) -> None:
    for client_ca in (None, authority.file):
        made = TlsFiles(*pair, client_ca).load()
        assert made.description.startswith("the certificate of localhost, 127.0.0.1, valid until ")
        assert made.description.endswith(" GMT")
        assert made.fault == ""
        assert made.context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert (made.context.verify_mode == ssl.CERT_REQUIRED) == bool(client_ca)


@pytest.mark.parametrize(("days", "fault"), [(-1, "certificate has expired"), (20, "certificate is not yet valid")])
def test_a_certificate_that_clients_will_refuse_is_served_with_a_warning(
    authority: Authority, caplog: pytest.LogCaptureFixture, days: int, fault: str
) -> None:
    file = authority.issue("localhost", days=days)
    caplog.set_level(logging.INFO, "static_host")
    ServedCertificate(TlsFiles(file, file))
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (
        "WARNING",
        f"TLS: serving a certificate that clients will refuse: {fault}",
    )


def test_the_server_ends_with_exit_code_2(plain: Path, tmp_path: Path) -> None:
    result = run("static-host", "serve", cwd=plain, TLS_CERTIFICATE=str(tmp_path / "a.crt"), **SETTINGS)
    assert result.returncode == 2
    assert result.stderr == f"static-host: TLS_CERTIFICATE={tmp_path}/a.crt: No such file or directory.{MUST_READ}\n"


@pytest.mark.parametrize("name", ["TLS_KEY", "TLS_CLIENT_CA"])
def test_a_file_without_a_certificate_beside_it_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/a.pem")
    with pytest.raises(InvalidSettingsError, match=f"{name}='/a.pem': TLS_CERTIFICATE is not set. Expected: the path"):
        Settings.read()


def test_the_text_of_a_key_is_no_path_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[Path, Path]
) -> None:
    monkeypatch.setenv("TLS_CERTIFICATE", str(pair[0]))
    monkeypatch.setenv("TLS_KEY", pair[1].read_text())
    with pytest.raises(InvalidSettingsError) as caught:
        Settings.read()
    assert "  TLS_KEY='…': it is the text of a PEM file. Expected: the path of a PEM file, for example" in str(
        caught.value
    )
    assert pair[1].read_text().splitlines()[1] not in str(caught.value)


def test_the_key_may_be_in_the_certificate_s_file(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> None:
    file = authority.issue("localhost")
    monkeypatch.setenv("TLS_CERTIFICATE", str(file))
    assert TlsFiles.from_settings(Settings.read()) == (file, file, None)
    monkeypatch.delenv("TLS_CERTIFICATE")
    assert TlsFiles.from_settings(Settings.read()) is None

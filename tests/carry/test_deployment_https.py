"""A running deployment as SOURCE, over https: certificates, redirections, paths, and what does not answer."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest

from static_host.conf.settings import Settings
from static_host.origin.representation import Representation
from static_host_build.carry import deployment_source
from static_host_build.carry.release_source import BodyUnusableError, ReleaseSourceError
from tests.support.builds import Build, read_files
from tests.support.certificates import Authority
from tests.support.intermediaries import run_intermediary
from tests.support.processes import run_server
from tests.support.releases import build_afresh, change_release, list_immutable_names, read_index

HOSTS = ("127.0.0.1", "localhost")
UVICORN = r"Uvicorn running on (https://\S+)"
SHOWN = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "DJANGO_STATIC_SHOW_INDEX": "true"}
SECRET = "a-secret-of-sixteen-letters"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def deployed(plain: Path, authority: Authority) -> Iterator[str]:
    """The address of the project "plain", served by uvicorn with TLS; who knows its secret finds its index."""
    own = ("--port", "0", "--ssl-certfile", str(authority.issue(*HOSTS)))
    with run_server(
        "uvicorn", "static_host.asgi:app", *own, cwd=plain, ready=UVICORN, DJANGO_ORIGIN_SECRET=SECRET, **SHOWN
    ) as running:
        yield running.url


@pytest.fixture(scope="module")
def origin(plain: Path) -> Iterator[str]:
    """The address of the same project without TLS and without a secret."""
    with run_server(cwd=plain, **SHOWN) as running:
        yield running.url


def refusal(build: Build, source: str, authority: Authority, **variables: str) -> str:
    """Return what a build says of the index of a source that stops it."""
    result = build(DJANGO_STATIC_PREVIOUS=source, SSL_CERT_FILE=str(authority.file), **variables)
    assert result.returncode == 6, result.stderr
    found = re.search(rf"\n  {re.escape(source)}/static/static-host.index (.*)\n", result.stderr)
    assert found, result.stderr
    return found[1]


def test_files_come_over_https_from_who_has_a_certificate_of_a_trusted_authority(
    project: Path, build: Build, deployed: str, plain: Path, authority: Authority
) -> None:
    change_release(project, "2")
    trusting = {"SSL_CERT_FILE": str(authority.file), "DJANGO_ORIGIN_SECRET": SECRET}
    result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=deployed, **trusting)
    assert result.returncode == 0, result.stderr
    made, old = read_files(project / "staticfiles"), read_files(plain / "staticfiles")
    (style,) = (name for name in list_immutable_names(plain / "staticfiles") if name.startswith("site."))
    assert style not in list_immutable_names(project / "staticfiles")
    for name in (style, f"{style}.br", f"{style}.zst", f"{style}.gz"):
        assert made[name] == old[name]
    assert read_index(project / "staticfiles").releases[1].origin == deployed


def test_a_certificate_of_an_authority_that_is_not_known_is_not_trusted(
    build: Build, deployed: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    assert refusal(build, deployed, other) == (
        "cannot be reached: its certificate is not trusted: unable to get local issuer certificate. Trusted "
        f"authorities: {tmp_path}/authority.pem. For your own authority, name the file of its certificate in "
        "SSL_CERT_FILE."
    )


@pytest.mark.parametrize(
    ("name", "host", "days", "told"),
    [
        ("127.0.0.1", "127.0.0.1", -1, "its certificate has expired. Renew it there."),
        ("localhost", "localhost", 20, "its certificate is not valid yet. Is this machine's clock right?"),
        ("127.0.0.1", "192.0.2.1", 2, "its certificate is for other hosts. Use a host name of the certificate."),
        ("localhost", "www.example.com", 2, "its certificate is for other hosts. Use a host name of the certificate."),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(
    build: Build, authority: Authority, name: str, host: str, days: int, told: str
) -> None:
    with run_intermediary(certificate=authority.issue(host, days=days)) as cdn:
        assert refusal(build, cdn.url.replace("127.0.0.1", name), authority) == f"cannot be reached: {told}"


def test_https_where_there_is_none_is_told_of(build: Build, origin: str, authority: Authority) -> None:
    source = origin.replace("http://", "https://")
    told = refusal(build, source, authority)
    assert told == "cannot be reached: there is no TLS. Does its address begin with http://?"


def test_a_redirection_is_not_followed_but_told(build: Build, authority: Authority) -> None:
    with run_intermediary(certificate=authority.issue(*HOSTS)) as secure, run_intermediary() as plain:
        plain.moved_prefix = secure.moved_prefix = "/"
        variables = {"DJANGO_ORIGIN_SECRET": SECRET}
        for location, leads_to, name in (
            (f"{secure.url}/static/static-host.index?token=1", f"{secure.url}/static/static-host.index", secure.url),
            ("https://www.example.com/static/static-host.index", "", "https://www.example.com"),
        ):
            plain.location = location
            assert refusal(build, plain.url, authority, **variables) == (
                f"returns 302 Found. It redirects to {leads_to or location}, and the build does not follow redirects: "
                f"name {name}/static/ instead."
            )
        assert secure.fields == []
        secure.location = "/login?next=/static/static-host.index"
        assert refusal(build, secure.url, authority, **variables) == (
            f"returns 302 Found. It redirects to {secure.url}/login, and the build does not follow redirects: name the "
            "address of its static files."
        )
        assert [each["x-origin-secret"] for each in plain.fields + secure.fields] == [SECRET] * 3


@pytest.mark.parametrize("path", ["/assets/static", "/assets/static/"])
def test_with_a_path_static_files_are_right_below_it(
    project: Path, build: Build, origin: str, authority: Authority, path: str
) -> None:
    change_release(project, "2")
    with run_intermediary(certificate=authority.issue(*HOSTS)) as cdn:
        cdn.origin, cdn.stripped_prefix = origin, "/assets"
        source = f"{cdn.url.replace('127.0.0.1', 'localhost')}{path}"
        result = build_afresh(project, build, DJANGO_STATIC_PREVIOUS=source, SSL_CERT_FILE=str(authority.file))
    assert result.returncode == 0, result.stderr
    assert [each.origin for each in read_index(project / "staticfiles").releases] == ["", source]


def test_the_secret_for_this_machine_goes_to_no_proxy(
    project: Path, build: Build, origin: str, authority: Authority
) -> None:
    change_release(project, "2")
    with run_intermediary() as proxy:
        proxy.origin = origin
        result = build_afresh(
            *(project, build), DJANGO_STATIC_PREVIOUS=origin, DJANGO_ORIGIN_SECRET=SECRET, http_proxy=proxy.url
        )
        assert result.returncode == 0, result.stderr
        assert proxy.fields == []


def opened(url: str) -> deployment_source.DeploymentSource:
    return deployment_source.DeploymentSource(url, "/static/", Settings.read())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silence_is_not_waited_for_without_end(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_source, "_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(deployment_source, "_MAX_ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = opened(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ReleaseSourceError, match=r"cannot be reached: .*timed out. Is the address right"):
            place.read_snapshots(1)


def answering(listener: socket.socket, head: bytes, piece: bytes) -> list[int]:
    """Answer each connection with the head, and then piece by piece for as long as the client is there."""
    asked: list[int] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append(1)
            with connection, suppress(OSError):
                connection.sendall(head)
                while piece:
                    connection.sendall(piece)
                    time.sleep(0.02)

    Thread(target=serve, daemon=True).start()
    return asked


def test_what_trickles_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment_source, "_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering(listener, b"HTTP/1.1 200 OK\r\n\r\n", b".")
        place = opened(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(
            ReleaseSourceError, match=r"was cut short: fewer than 10000 bytes a second arrived. Try again."
        ):
            place.read_snapshots(1)


def test_a_deployment_that_has_gone_away_is_asked_for_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(deployment_source, "_MAX_ATTEMPTS", 2)
    monkeypatch.setattr(deployment_source, "time", SimpleNamespace(sleep=pauses.append))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = answering(listener, b"", b"")
        place = opened(f"http://127.0.0.1:{listener.getsockname()[1]}")
        for _ in range(5):
            with pytest.raises(BodyUnusableError, match="cannot be reached"):
                list(place.read_body("app.js", Representation("br", "app.js.br", 1, "digest")))
        assert len(asked) == 2
        assert pauses == [0, 1]

"""A new certificate for a server that runs: on SIGHUP, and when its files change; no request fails."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.certificates import Authority
from tests.support.processes import Running, run_server
from tests.support.projects import SETTINGS
from tests.support.tls_client import READY, connect_tls, make_client_context
from tests.support.waiting import wait_until


class Files:
    """The server's certificate and key, which are replaced as cert-manager and certbot do: by links."""

    def __init__(self, authority: Authority, directory: Path) -> None:
        self.authority = authority
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        self.replace("first.example.com")

    def replace(self, host: str, *, key: bool = True) -> None:
        """Put another pair there; without its key, only the certificate."""
        file = self.authority.issue(host, "localhost")
        for link in (self.certificate, *([self.key] if key else [])):
            new = link.with_suffix(".new")
            new.symlink_to(file)
            new.replace(link)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(Authority(tmp_path), tmp_path)


@pytest.fixture
def running(plain: Path, files: Files) -> Iterator[Running]:
    variables = {**SETTINGS, "TLS_CERTIFICATE": str(files.certificate), "TLS_KEY": str(files.key)}
    with run_server(cwd=plain, ready=READY, ACCESS_LOG="false", **variables) as running:
        yield running


def fetch_host(running: Running, context: ssl.SSLContext) -> str:
    """Return the first name of the certificate that a new connection gets."""
    with connect_tls(running.port, context) as connection:
        certificate = connection.getpeercert()
    assert certificate
    return str(certificate["subjectAltName"][0][1])


def request_without_end(
    running: Running, context: ssl.SSLContext, counts: list[int], failures: list[str], end: Event
) -> None:
    """Request a file and a page, over connections of three requests each."""
    try:
        while not end.is_set():
            with closing(http.client.HTTPSConnection("localhost", running.port, timeout=10, context=context)) as each:
                for path in ("/static/digits.txt", "/healthz", "/static/large.bin"):
                    each.request("GET", path)
                    answer = each.getresponse()
                    if answer.status != 200 or not answer.read():
                        failures.append(f"{path}: {answer.status}")
                    counts[0] += 1
    except (OSError, http.client.HTTPException) as error:
        failures.append(repr(error))


def send_hangup(running: Running) -> None:
    os.kill(running.process.pid, signal.SIGHUP)


@pytest.mark.parametrize("tell", [send_hangup, lambda _: None], ids=["SIGHUP", "the files change"])
def test_a_new_certificate_is_served_without_a_failed_request(
    running: Running, files: Files, tell: Callable[[Running], None]
) -> None:
    context = make_client_context(files.authority.file)
    counts, failures, end = [0], list[str](), Event()
    clients = [Thread(target=request_without_end, args=(running, context, counts, failures, end)) for _ in range(3)]
    for client in clients:
        client.start()
    with closing(http.client.HTTPSConnection("localhost", running.port, timeout=60, context=context)) as kept:
        kept.request("GET", "/static/digits.txt")
        assert kept.getresponse().read() == b"0123456789"
        first = kept.sock
        for host in ("second.example.com", "third.example.com"):
            files.replace(host)
            tell(running)
            running.wait_for(f"TLS: now serving the certificate of {host}, localhost, valid until ")
            assert fetch_host(running, context) == host
            now = counts[0]
            wait_until(lambda now=now: failures or counts[0] > now + 20, "no requests")  # type: ignore[misc]
        kept.request("GET", "/static/digits.txt")
        assert kept.getresponse().read() == b"0123456789"
        assert kept.sock is first
    end.set()
    for client in clients:
        client.join(20)
    assert failures == []
    assert running.stop() == 0


@pytest.mark.parametrize("tell", [send_hangup, lambda _: None], ids=["SIGHUP", "the files change"])
def test_a_pair_that_does_not_fit_changes_nothing_until_it_does(
    running: Running, files: Files, tell: Callable[[Running], None]
) -> None:
    context = make_client_context(files.authority.file)
    files.replace("second.example.com", key=False)
    tell(running)
    running.wait_for("TLS: the certificate stays as it is: ")
    assert "the key is that of another certificate" in running.output
    assert fetch_host(running, context) == "first.example.com"
    files.replace("second.example.com")
    tell(running)
    running.wait_for("TLS: now serving the certificate of second.example.com, localhost")
    assert fetch_host(running, context) == "second.example.com"


def test_a_file_that_is_missing_for_a_while_changes_nothing(running: Running, files: Files) -> None:
    context = make_client_context(files.authority.file)
    files.key.unlink()
    running.wait_for("TLS: the certificate stays as it is: ")
    assert fetch_host(running, context) == "first.example.com"
    files.replace("second.example.com")
    running.wait_for("TLS: now serving the certificate of second.example.com, localhost")

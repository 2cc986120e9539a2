"""What the image's HEALTHCHECK runs, against servers over TCP, TLS and Unix sockets."""

from __future__ import annotations

import http.server
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from tests.support.certificates import Authority
from tests.support.processes import find_free_port, run, run_server
from tests.support.projects import SETTINGS

COMMAND = ("python", "-I", "-m", "static_host.server.health_check")
READY = r"ready on (\S+)"


@pytest.mark.parametrize("kind", ["TCP", "every address", "Unix", "TLS", "TLS over Unix", "certificates of clients"])
def test_a_server_that_lives_is_found_whatever_it_listens_on(plain: Path, tmp_path: Path, kind: str) -> None:
    authority = Authority(tmp_path)
    variables = {"PORT": str(find_free_port())}
    with TemporaryDirectory() as directory:
        if kind == "every address":
            variables["HOST"] = "0.0.0.0"
        if "Unix" in kind:
            variables["HOST"] = f"unix:{directory}/site.sock"
        if kind in ("TLS", "TLS over Unix", "certificates of clients"):
            variables["TLS_CERTIFICATE"] = str(authority.issue("localhost", days=-1))  # others see that it has expired
        if "certificates" in kind:
            variables["TLS_CLIENT_CA"] = str(authority.file)
        with run_server(cwd=plain, ready=READY, DJANGO_HEALTH_PATH="/-/alive", **variables, **SETTINGS) as running:
            result = run(*COMMAND, cwd=tmp_path, DJANGO_HEALTH_PATH="/-/alive", **variables)
            assert (result.returncode, result.stderr) == (0, "")
            if "certificates" not in kind:
                assert run(*COMMAND, cwd=tmp_path, **variables).returncode == 1, "/healthz is the project's"
            assert running.stop() == 0
        result = run(*COMMAND, cwd=tmp_path, **variables)
        assert result.returncode == 1
        assert result.stderr.startswith("[Errno ")


def test_a_server_without_tls_is_not_one_with_it(tmp_path: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        Thread(target=server.handle_request).start()
        result = run(*COMMAND, cwd=tmp_path, PORT=str(server.server_port), TLS_CERTIFICATE="a", TLS_CLIENT_CA="b")
    assert result.returncode == 1
    assert "SSL" in result.stderr

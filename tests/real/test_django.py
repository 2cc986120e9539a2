"""Django's own test suite over a port of this project's server, with a WSGI and an ASGI worker; `over_a_port` has how.

Run are all parts of it whose tests ask Django's test client for something, or a live server: about 2,900 requests for
each interface. Left out are the tests of the parts of Django below them (``requests_tests``, ``responses``,
``httpwrappers``: they make their requests by hand, and no server is asked) and the asynchronous client, which calls
Django itself. `LEFT_OUT` names the tests of the parts that are run which cannot pass, each with its reason;
`LEFT_OUT_OF_ASGI` those that cannot pass through ASGI.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import make_environment, run

pytestmark = pytest.mark.timeout(1600)

RUNTESTS = Path(sys.prefix) / "django/tests/runtests.py"
PARTS = [
    *("admin_changelist", "admin_custom_urls", "admin_docs", "admin_inlines", "admin_utils", "admin_views"),
    *("admin_widgets", "auth_tests", "conditional_processing", "contenttypes_tests", "context_processors"),
    *("csrf_tests", "file_uploads", "flatpages_tests", "generic_inline_admin", "generic_views", "handlers"),
    *("i18n.patterns", "logging_tests", "messages_tests", "middleware", "middleware_exceptions", "redirects_tests"),
    *("servers", "shortcuts", "sitemaps_tests", "staticfiles_tests", "syndication_tests", "test_client"),
    *("test_client_regress", "test_utils", "urlpatterns_reverse", "view_tests"),
]
BEFORE = "the test looks at what happens before the body is iterated; a server has sent it by then"
CLOSES = "wsgiref keeps a connection open only for responses with a length; ours does for all, and closes when asked to"
HOST = "it has a Host that cannot be one: refused before Django, with 400, too"
LEFT_OUT = {
    "auth_tests.test_views.PasswordResetTest.test_poisoned_http_host": HOST,
    "auth_tests.test_views.PasswordResetTest.test_poisoned_http_host_admin_site": HOST,
    "handlers.tests.HandlerRequestTests.test_async_streaming": BEFORE,
    "handlers.tests.SignalsTests.test_request_signals_streaming_response": BEFORE,
    "urlpatterns_reverse.tests.RequestURLconfTests.test_reverse_outer_in_streaming": BEFORE,
    "view_tests.tests.test_static.StaticHelperTest.test_chunked": BEFORE,
    "view_tests.tests.test_static.StaticTests.test_chunked": BEFORE,
    "handlers.tests.HandlerRequestTests.test_invalid_urls": "it has a path without a slash before it: not HTTP",
    "servers.tests.LiveServerViews.test_closes_connection_without_content_length": CLOSES,
    "servers.tests.LiveServerViews.test_keep_alive_connection_clears_previous_request_data": CLOSES,
    "servers.tests.LiveServerViews.test_keep_alive_on_connection_with_content_length": CLOSES,
}
ADAPTED = "it looks at Django's first line in the log, which through ASGI is about the middleware that it adapts"
ENVIRON = "it looks at the environ, which only a request through WSGI has"
PREFIXED = "through ASGI, Django puts HTTP_ before the name of the variable that has the user, which has it already"
LEFT_OUT_OF_ASGI = {
    **{
        f"auth_tests.test_remote_user.CustomHeaderRemoteUserTest.{name}": PREFIXED
        for name in (
            *("test_header_disappears", "test_known_user", "test_last_login", "test_unknown_user"),
            "test_user_switch_forces_new_login",
        )
    },
    "handlers.tests.AsyncHandlerRequestTests.test_sync_streaming": "Django warns of what our worker streams",
    "handlers.tests.SignalsTests.test_request_signals": ENVIRON,
    "middleware_exceptions.tests.MiddlewareNotUsedTests.test_log": ADAPTED,
    "middleware_exceptions.tests.MiddlewareNotUsedTests.test_log_custom_message": ADAPTED,
    "middleware_exceptions.tests.MiddlewareSyncAsyncTests.test_async_middleware": ADAPTED,
    "servers.tests.LiveServerViews.test_environ": ENVIRON,
    "test_client.tests.ClientTest.test_response_attached_request": ENVIRON,
}
OF_ROOT = {"file_uploads.tests.DirectoryCreationTests.test_readonly_root"}
"""Fails for root whatever the server, because root may write everywhere."""


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_django_s_own_suite(tmp_path: Path, interface: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/hello.txt").write_text("hello")
    assert run("static-host", "index", str(tmp_path / "tree"), cwd=tmp_path).returncode == 0
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.real.over_a_port", interface, str(tmp_path / "tree"), str(RUNTESTS)),
            *("--parallel=1", "--settings=test_sqlite", "--noinput", *PARTS),
        ],
        cwd=Path(__file__).parents[2],
        env=make_environment({"TMPDIR": str(tmp_path)}),
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    output = done.stdout + done.stderr
    left_out = {*LEFT_OUT, *(LEFT_OUT_OF_ASGI if interface == "asgi" else ()), *(OF_ROOT if os.geteuid() == 0 else ())}
    failed = {*re.findall(r"^(?:FAIL|ERROR): \S+ \((\S+)\)", done.stderr, re.MULTILINE)}
    assert failed == left_out, output
    ran = re.search(r"^Ran (\d+) tests", done.stderr, re.MULTILINE)
    requests = re.search(r"^(\d+) requests went over a port$", done.stdout, re.MULTILINE)
    assert ran, output
    assert requests, output
    assert int(ran[1]) > 3_500
    assert int(requests[1]) > 2_800

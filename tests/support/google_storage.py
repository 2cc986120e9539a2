"""A server that speaks Google Cloud Storage's XML API, as far as obstore does, with one bucket, ``bucket``.

    .venv/bin/python -m tests.support.google_storage PORT

Google's API follows S3's: the same paths, lists and error codes. So moto's server lists, stores and refuses. This
module translates the differences, by Google's documents: a token in place of a signature
(https://cloud.google.com/storage/docs/authentication), ``x-goog-meta-`` in place of ``x-amz-meta-``, and a generation
with each object (https://cloud.google.com/storage/docs/xml-api/reference-headers).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

TOKEN = "something"
_UNKNOWN = b"<Error><Code>AuthenticationRequired</Code><Message>Authentication required.</Message></Error>"
_SIGNATURE = "AWS4-HMAC-SHA256 Credential=someone/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
"""A value that moto accepts as a signature."""

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Translation:
    """Speaks Google's dialect in front of a WSGI application that speaks S3's."""

    def __init__(self, s3: Application) -> None:
        self._s3 = s3

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.pop("HTTP_AUTHORIZATION", "") != f"Bearer {TOKEN}":
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("401 Unauthorized", [("Content-Type", "application/xml"), ("Content-Length", str(len(_UNKNOWN)))])
            return [_UNKNOWN]
        environ["HTTP_AUTHORIZATION"] = _SIGNATURE
        for name in [name for name in environ if name.startswith("HTTP_X_GOOG_META_")]:
            environ[name.replace("_GOOG_", "_AMZ_")] = environ.pop(name)

        def translated(status: str, headers: Headers, *rest: Any) -> Any:
            names = [(name.lower().replace("x-amz-meta-", "x-goog-meta-"), value) for name, value in headers]
            kept = [(name, value) for name, value in names if not name.startswith("x-amz-")]
            return start(status, [*kept, ("x-goog-generation", "1")], *rest)

        return self._s3(environ, translated)


if __name__ == "__main__":
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import run_simple

    application = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), Translation(application), threaded=True)

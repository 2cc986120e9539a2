"""What a request gets while the project cannot be served: its error, and in a browser a page that refreshes itself.

Rule: the text is what was printed, with its traceback. A browser gets it as HTML, every other client as plain text. The
page asks the readiness check once a second, and loads itself again when its text has changed.
"""

from __future__ import annotations

import html
import json

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

from static_host.errors import StaticHostError
from static_host.origin.headers import UNCACHEABLE

_HEADERS = {"Cache-Control": UNCACHEABLE.decode(), "Retry-After": "1"}
_FAILED_TITLE = "The Django project cannot be loaded"
_LOADING_TITLE = "The Django project is still being loaded"
_HINT = "It is loaded again when a file changes."
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }}
h1 {{ font-size: 1.3rem; color: #b00020 }}
pre {{ font: 14px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }}
@media (prefers-color-scheme: dark) {{ body {{ color: #ddd; background: #1b1b1b }} h1 {{ color: #ff7a8a }} }}
</style>
<h1>{title}</h1>
<p>{hint} This page refreshes itself then.
<pre>{text}</pre>
{script}
</html>
"""
_SCRIPT = """<script>
setInterval(async () => {{
  const answer = await fetch({path}, {{cache: "no-store"}}).catch(() => null);
  if (answer && (await answer.text()).trim() !== {state}) location.reload();
}}, 1000);
</script>"""


def build_response(scope: Scope, error: StaticHostError | None, ready_path: str, state: str) -> Response:
    """Return the response: 503 with the error, or None while the project is loaded.

    `state` is the text of the readiness check now.
    """
    title = _FAILED_TITLE if error else _LOADING_TITLE
    text = error.format_report() if error else ""
    if not _is_browser(scope):
        shown = f"{title}; static-host's output says why.\n{_HINT}\n\n{text}".rstrip()
        return PlainTextResponse(_encode(f"{shown}\n"), 503, _HEADERS)
    script = _SCRIPT.format(path=_quote(ready_path), state=_quote(state)) if scope["method"] == "GET" else ""
    page = _PAGE.format(title=title, hint=_HINT if error else "", text=html.escape(text), script=script)
    return HTMLResponse(_encode(page), 503, _HEADERS)


def _is_browser(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _quote(text: str) -> str:
    """Return a text as a literal of JavaScript in HTML."""
    return json.dumps(text).replace("<", "\\u003c")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # a path of the traceback may be no UTF-8

"""blacknoise, with nothing behind it."""

from __future__ import annotations

import os
import re

from blacknoise import BlackNoise
from starlette.responses import PlainTextResponse

app = BlackNoise(
    PlainTextResponse("Not Found", status_code=404),
    immutable_file_test=re.compile(r"\.[0-9a-f]{12}\.\w+$").search,
)
app.add(os.environ["BENCH_ROOT"], "/static")

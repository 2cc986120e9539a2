"""The body of a request that waits for a worker, where a project reads bodies as they arrive."""

from __future__ import annotations

import asyncio
from typing import Any

from static_host.files.sendfile_roots import SendfileRoots
from static_host.workers.file_responder import FileResponder
from static_host.workers.gateway import Gateway
from tests.support.page_path import PAGE, Pool, until

SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "http_version": "1.1",
    "headers": [(b"content-length", b"5")],
}


def test_a_body_that_arrives_before_there_is_a_worker_reaches_it() -> None:
    async def main() -> tuple[bytes, list[Any]]:
        pool = Pool(1)
        await pool.open()
        channel = pool.free.pop()
        gateway = Gateway(pool, FileResponder(SendfileRoots(())), is_asgi=True, max_body_bytes=1000)  # type: ignore[arg-type]
        arriving = iter([b"he", b"llo"])
        sent: list[Any] = []

        async def receive() -> Any:
            piece = next(arriving, None)
            if piece is None:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": piece, "more_body": piece == b"he"}

        async def send(message: Any) -> None:
            sent.append(message)

        call = asyncio.ensure_future(gateway(dict(SCOPE), receive, send))
        await until(lambda: pool.waiting)
        for _ in range(10):
            await asyncio.sleep(0)
        pool.give_back(channel)
        got = b""
        while not got.endswith(b"llo"):
            got += await asyncio.wait_for(pool.workers[0].read(1000), 10)
        pool.writers[0].write(PAGE)
        await asyncio.wait_for(call, 10)
        pool.writers[0].close()
        pool.files[0].close()
        channel.close()
        return got, sent

    got, sent = asyncio.run(main())
    assert b"he" in got
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b"ok"

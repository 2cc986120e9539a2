"""Threads, where the system has none left to give."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Event, Thread

import pytest

from static_host.project import threads
from static_host.project.threads import QueueFullError, Threads


def test_where_no_further_thread_can_be_started_work_waits_and_where_there_is_none_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = 0

    class Scarce(Thread):
        def start(self) -> None:
            nonlocal left
            if left == 0:
                raise RuntimeError("can't start new thread")
            left -= 1
            super().start()

    monkeypatch.setattr(threads, "Thread", Scarce)
    pool, done, go = Threads(3, 10), SimpleQueue[str](), Event()
    with pytest.raises(QueueFullError):
        pool.submit(lambda: done.put("never"), lambda: done.put("never"))
    left = 1
    assert pool.submit(lambda: done.put(str(go.wait(10))), lambda: None) is True
    assert pool.submit(lambda: done.put("at once"), lambda: done.put("late")) is False
    go.set()
    assert [done.get(timeout=10), done.get(timeout=10)] == ["True", "late"]
    left = 3
    go.clear()
    for _ in range(3):
        assert pool.submit(lambda: done.put(str(go.wait(10))), lambda: None) is True
    go.set()
    assert [done.get(timeout=10) for _ in range(3)] == ["True"] * 3

"""No pages: the benchmark only builds."""

from __future__ import annotations

urlpatterns: list[object] = []

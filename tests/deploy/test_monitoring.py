"""The alerts and the dashboard: valid by their programs' own means, and only of metrics that the server has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import product
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from static_host.telemetry.counters import Counters
from static_host.telemetry.prometheus import GAUGES, WORKER_COUNTERS, WORKER_GAUGES, Collector
from tests.support.deploy_files import DEPLOY
from tests.support.required import required

ALERTS = DEPLOY / "monitoring/alerts.yaml"
DASHBOARD = DEPLOY / "monitoring/dashboard.json"
NAME = r"\bup\b|\b(?:static_host|process|kube|container)_\w+"
OTHERS = {
    "up",  # of Prometheus itself
    "container_memory_working_set_bytes",  # of cAdvisor
    "kube_pod_container_resource_limits",  # of kube-state-metrics
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_horizontalpodautoscaler_spec_max_replicas",
}
DOCUMENT = DEPLOY.parent / "docs/monitoring.md"


def test_prometheus_takes_the_alerts() -> None:
    promtool = shutil.which("promtool")
    required("" if promtool else "promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run(
        [str(promtool), "check", "rules", ALERTS], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def metric_names() -> set[str]:
    """Return the names that Prometheus gets from a server whose gauges all have a value."""
    counts = Counters()
    counts.count_response("fast", 200, "br", 10)
    counts.durations.add(0.1)
    counts.queues.add(0.1)
    counts.store_lookups["found"] += 1
    counts.count_release_request("0123456789abcdef")
    worker = dict.fromkeys((*WORKER_GAUGES, *WORKER_COUNTERS), 1.0)
    registry = CollectorRegistry()
    registry.register(Collector(lambda: (counts, dict.fromkeys(GAUGES, 1.0), [worker]), lambda: "a"))
    ProcessCollector(registry=registry)
    return set(re.findall(rf"^({NAME})", generate_latest(registry).decode(), re.MULTILINE))


def questions() -> dict[str, str]:
    """Return every PromQL expression of the alerts and the dashboard, by title."""
    alerts = {
        rule["alert"]: rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    }
    board = json.loads(DASHBOARD.read_text())
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    variables = {each["name"]: each["query"] for each in board["templating"]["list"] if each["type"] == "query"}
    return {**alerts, **panels, **variables}


@pytest.mark.parametrize(("title", "question"), questions().items(), ids=list(questions()))
def test_only_metrics_that_exist_are_asked_for(title: str, question: str) -> None:
    asked = set(re.findall(NAME, question))
    assert asked
    assert asked <= metric_names() | OTHERS
    handlers = {handler for handlers in re.findall(r'handler=~?"([^"]+)"', question) for handler in handlers.split("|")}
    assert handlers <= {"fast", "static", "store", "django", "health", "refused"}


def test_every_metric_is_in_the_document_and_no_other() -> None:
    tables = DOCUMENT.read_text().partition("## Metrics\n")[2].partition("\n## ")[0]
    parts = r"_(?:bucket|count|sum|created)$"
    assert {name for name in metric_names() if not re.search(parts, name)} | {
        "static_host_request_seconds",
        "static_host_queue_seconds",
    } == set(re.findall(r"^\| `(\w+)", tables, re.MULTILINE))


def test_every_gauge_is_on_the_dashboard() -> None:
    board = DASHBOARD.read_text()
    limits = {"requests_waiting_limit"}  # only an alert uses it
    assert {f"static_host_{gauge}" for gauge in GAUGES if gauge not in limits} <= set(
        re.findall(r"static_host_\w+", board)
    )


def test_no_two_panels_lie_on_each_other() -> None:
    cells: list[tuple[int, int]] = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24  # Grafana's columns
        cells += product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"]))
    assert len(set(cells)) == len(cells)


def unknown(written: Any, read: Any, place: str = "") -> list[str]:
    """Return the paths of values in `written` that Grafana's types dropped or changed."""
    if isinstance(written, dict) and isinstance(read, dict):
        pairs = {f"{place}/{key}": (value, read.get(key)) for key, value in written.items()}
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        pairs = {f"{place}/{number}": pair for number, pair in enumerate(zip(written, read, strict=True))}
    else:
        return [] if written == read else [place]
    return [found for at, (one, other) in pairs.items() for found in unknown(one, other, at)]


def as_grafana_reads(board: Any) -> Any:
    """Return the dashboard after a round trip through the types generated from Grafana's schema."""
    return json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))


def test_grafana_knows_every_field_of_the_dashboard() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert unknown(board, as_grafana_reads(board)) == []


def test_a_misspelt_field_of_the_dashboard_would_be_found() -> None:
    board = json.loads(DASHBOARD.read_text())
    board["panels"][0]["fieldConfig"]["defaults"]["units"] = "reqps"
    board["templating"]["list"][1]["querry"] = ""
    found = unknown(board, as_grafana_reads(board))
    assert found == ["/templating/list/1/querry", "/panels/0/fieldConfig/defaults/units"]

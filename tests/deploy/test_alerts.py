"""What must ring, and what must not: series of a fleet for `promtool test rules`, and the alerts that fire for them.

Each case changes some series of a healthy fleet of four containers, which nothing rings for, and names every alert that
fires at the end. `near` is the alert that a quiet case is about.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import yaml

from tests.support.deploy_files import DEPLOY, manifest
from tests.support.required import required

ROOT = DEPLOY.parent
ALERTS = DEPLOY / "monitoring/alerts.yaml"
RUNBOOK = ROOT / "docs/runbook.md"
RUNBOOK_URL = "https://github.com/django-static-host/django-static-host/blob/main/docs/runbook.md"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
INTERVAL_SECONDS = 60
EVALUATION_SECONDS = 120
END_MINUTES = 80
SAMPLES = END_MINUTES * 60 // INTERVAL_SECONDS
INSTANCES = ("a", "b", "c", "d")
MIB = 1 << 20


def steady(value: float) -> str:
    """Return the samples of a gauge that stays as it is."""
    return f"{value}x{SAMPLES}"


def rate(per_second: float) -> str:
    """Return the samples of a counter that grows by so much a second."""
    return f"0+{per_second * INTERVAL_SECONDS}x{SAMPLES}"


def change(before: str, after: str, minutes: int) -> str:
    """Return samples that are `before`, such as `0+60`, until so many minutes before the end, and then `after`."""
    count = minutes * 60 // INTERVAL_SECONDS
    return f"{before}x{SAMPLES - count - 1} {after}x{count}"


def once(count: int, minutes: int) -> str:
    """Return the samples of a counter that grows by `count`, so many minutes before the end."""
    return change("0", str(count), minutes)


def buckets(name: str, per_second: float, slow_per_second: float = 0) -> dict[str, str]:
    """Return a histogram of durations around 10 ms, and some between 5 and 10 s."""
    series = {f'{name}_count{{handler="django"}}': rate(per_second + slow_per_second)}
    for bound in ("0.005", "0.025", "5.0", "10.0", "+Inf"):
        fast = 0.0 if bound == "0.005" else per_second
        slow = slow_per_second if bound in ("10.0", "+Inf") else 0.0
        series[f'{name}_bucket{{handler="django",le="{bound}"}}'] = rate(fast + slow)
    return series


def requests(handler: str, status: int, per_second: float) -> dict[str, str]:
    return {f'static_host_requests_total{{handler="{handler}",status="{status}"}}': rate(per_second)}


CONTAINER = {
    "up": steady(1),
    "static_host_workers": steady(2),
    'static_host_info{release="r1",version="1"}': steady(1),
    "static_host_ready": steady(1),
    "static_host_threads_busy": steady(3),
    "static_host_threads_limit": steady(10),
    "static_host_requests_waiting": steady(0),
    "static_host_requests_waiting_limit": steady(100),
    "static_host_event_loop_lag_seconds": steady(0.002),
    "static_host_store_circuit_open": steady(0),
    "process_start_time_seconds": steady(1_800_000_000),
    "process_resident_memory_bytes": steady(60 * MIB),
    "process_open_fds": steady(200),
    "process_max_fds": steady(65_536),
    **requests("health", 200, 0.3),
    **requests("fast", 200, 20),
    **requests("django", 200, 5),
    **buckets("static_host_request_seconds", 5),
    **buckets("static_host_queue_seconds", 5),
    **{
        f'static_host_worker_{name}{{worker="{number}"}}': samples
        for number in (0, 1)
        for name, samples in (
            ("memory_bytes", steady(90 * MIB)),
            ("restarts_total", steady(0)),
            ("crashes_total", steady(0)),
        )
    },
}
"""The series of one container; each case gets them for every instance."""
POD = 'namespace="shop",pod="mysite-a",container="web"'
WORKING_SET = f"container_memory_working_set_bytes{{{POD}}}"
LIMIT = f'kube_pod_container_resource_limits{{{POD},resource="memory",unit="byte"}}'
SCALER = 'namespace="shop",horizontalpodautoscaler="mysite"'
REPLICAS = f"kube_horizontalpodautoscaler_status_current_replicas{{{SCALER}}}"
MAX_REPLICAS = f"kube_horizontalpodautoscaler_spec_max_replicas{{{SCALER}}}"
LOOKUPS = 'static_host_store_lookups_total{outcome="%s"}'
CRASHES = 'static_host_worker_crashes_total{worker="0"}'
RESTARTS = 'static_host_worker_restarts_total{worker="%d"}'

Series = Mapping[str, str | None]
"""The samples of a series by its name; None where it does not exist."""
NO_TRAFFIC: Series = {
    name: None for name in CONTAINER if ("_requests_total" in name and "health" not in name) or "_seconds_" in name
}


class Case(NamedTuple):
    """Series of the instances in `where`, and of others (`outside`), and the alerts that fire."""

    name: str
    changes: Series
    fires: tuple[str, ...] = ()
    near: str = ""
    where: tuple[str, ...] = INSTANCES
    outside: Series = MappingProxyType({})


CASES = [
    Case("a healthy fleet", {}),
    Case("no container", dict.fromkeys(CONTAINER), ("Gone",)),
    Case(
        "all containers down", {**dict.fromkeys(CONTAINER), "up": steady(0)}, ("Gone", "MostTargetsDown", "TargetDown")
    ),
    Case("one container of four", dict.fromkeys(CONTAINER), near="Gone", where=("b", "c", "d")),
    Case(
        "three of four targets down",
        {**dict.fromkeys(CONTAINER), "up": steady(0)},
        ("MostTargetsDown", "TargetDown"),
        where=("b", "c", "d"),
    ),
    Case(
        "one of four targets down",
        {**dict.fromkeys(CONTAINER), "up": steady(0)},
        ("TargetDown",),
        near="MostTargetsDown",
        where=("b",),
    ),
    Case("a target that was down for five minutes", {"up": change("1", "0", 5)}, near="TargetDown", where=("b",)),
    Case("no container is ready", {"static_host_ready": steady(0)}, ("MostNotReady", "NotReady")),
    Case(
        "readiness that comes and goes", {"static_host_ready": "0 0 1 " * (SAMPLES // 3)}, ("MostNotReady", "NotReady")
    ),
    Case("one container is not ready", {"static_host_ready": steady(0)}, ("NotReady",), "MostNotReady", ("c",)),
    Case("a container that drains", {"static_host_ready": change("1", "0", 1)}, near="NotReady", where=("c",)),
    Case(
        "two releases",
        {'static_host_info{release="r1",version="1"}': None, 'static_host_info{release="r2",version="1"}': steady(1)},
        ("ReleasesDiffer",),
        where=("d",),
    ),
    Case(
        "a rollout of twenty minutes",
        {
            'static_host_info{release="r1",version="1"}': change("1", "_", 20),
            'static_host_info{release="r2",version="1"}': change("_", "1", 20),
        },
        near="ReleasesDiffer",
        where=("d",),
    ),
    Case(
        "all threads stuck, and nothing answered for fifty minutes",
        {
            **dict.fromkeys(NO_TRAFFIC, change("0+300", "15000", 50)),
            "static_host_threads_busy": change("3", "10", 50),
            "static_host_requests_waiting": change("0", "4", 50),
        },
        ("Stuck", "ThreadsBusy"),
    ),
    Case(
        "all threads of one container stuck from its first request, and its clients give up",
        {**NO_TRAFFIC, **requests("django", 499, 0.01), "static_host_threads_busy": steady(10)},
        ("Stuck",),
        where=("b",),
    ),
    Case(
        "all threads of one container busy, and it answers",
        {"static_host_threads_busy": steady(10)},
        (),
        "Stuck",
        ("b",),
    ),
    Case("no traffic at all", {**NO_TRAFFIC, "static_host_threads_busy": steady(0)}, near="Stuck"),
    Case("two of a hundred pages fail", requests("django", 500, 0.1), ("DjangoErrors",)),
    Case(
        "all pages fail, health checks aside",
        {**requests("django", 200, 0), **requests("django", 502, 2)},
        ("DjangoErrors",),
    ),
    Case(
        "a quiet site, all of whose pages fail",
        {**NO_TRAFFIC, **requests("django", 500, 0.0015)},  # eleven in half an hour
        ("DjangoErrors",),
    ),
    Case("one page of a thousand fails", requests("django", 500, 0.005), near="DjangoErrors"),
    Case(
        "the four pages of a quiet hour fail",
        {**NO_TRAFFIC, 'static_host_requests_total{handler="django",status="500"}': once(1, 15)},
        near="DjangoErrors",
    ),
    Case(
        "a page of a quiet night fails now and then",
        {**NO_TRAFFIC, **requests("django", 200, 0.005), **requests("django", 500, 0.0007)},
        near="DjangoErrors",
    ),
    Case("a tenth of the clients give up", requests("django", 499, 0.5), ("ClientsGiveUp",)),
    Case("a hundredth of the clients give up", requests("django", 499, 0.05), near="ClientsGiveUp"),
    Case(
        "one of a night's five clients gives up", {**NO_TRAFFIC, **requests("django", 499, 0.001)}, near="ClientsGiveUp"
    ),
    Case(
        "four probed pods whose every real request is refused",
        {**NO_TRAFFIC, **requests("refused", 403, 0.05)},  # a sixth of the health checks
        ("Refused",),
    ),
    Case(
        "every real request has a host that Django refuses",
        {**NO_TRAFFIC, **requests("django", 400, 0.05)},
        ("Refused",),
    ),
    Case("every connection is one too many", {**NO_TRAFFIC, **requests("refused", 503, 2)}, ("Refused",)),
    Case("a scanner that knows no secret", requests("refused", 403, 3), near="Refused"),
    Case("a scanner of a quiet site", {**NO_TRAFFIC, **requests("refused", 403, 0.01)}, near="Refused"),
    Case("a tenth of the files get errors", requests("fast", 500, 2), ("FilesDamaged",)),
    Case("a file gets an error now and then", requests("static", 500, 0.002), near="FilesDamaged"),
    Case(
        "each page misses a file, behind a warm CDN",
        {**requests("fast", 200, 0.1), **requests("fast", 404, 5)},
        ("FilesMissing",),
    ),
    Case("each page misses a file, without a CDN", requests("static", 404, 5), ("FilesMissing",)),
    Case(
        "a few missing files behind a warm CDN",
        {**requests("fast", 200, 0.01), **requests("fast", 304, 0.02), **requests("fast", 404, 0.05)},
        near="FilesMissing",
    ),
    Case(
        "a few missing files of a quiet night, behind a warm CDN",
        {**NO_TRAFFIC, **requests("fast", 304, 0.01), **requests("fast", 404, 0.02)},
        near="FilesMissing",
    ),
    Case("requests wait for a second", buckets("static_host_queue_seconds", 5, 0.5), ("RequestsWait",)),
    Case("one request of a hundred waits", buckets("static_host_queue_seconds", 5, 0.05), near="RequestsWait"),
    Case("the requests of a quiet hour wait", buckets("static_host_queue_seconds", 0, 0.01), near="RequestsWait"),
    Case("a queue that fills", {"static_host_requests_waiting": steady(60)}, ("BacklogFills",), where=("a",)),
    Case("a queue with some requests", {"static_host_requests_waiting": steady(40)}, near="BacklogFills"),
    Case(
        "no queue, as with DJANGO_QUEUE=0",
        {"static_host_requests_waiting_limit": steady(0)},
        near="BacklogFills",
    ),
    Case("nine threads of ten are busy", {"static_host_threads_busy": steady(9)}, ("ThreadsBusy",)),
    Case("a peak of busy threads", {"static_host_threads_busy": change("3", "10", 4)}, near="ThreadsBusy"),
    Case("a late event loop", {"static_host_event_loop_lag_seconds": steady(0.3)}, ("EventLoopLags",), where=("b",)),
    Case(
        "an event loop that was late",
        {"static_host_event_loop_lag_seconds": change("0", "0.3", 2)},
        near="EventLoopLags",
    ),
    Case("slow views", buckets("static_host_request_seconds", 5, 1), ("Slow",)),
    Case("one slow view of a hundred", buckets("static_host_request_seconds", 5, 0.05), near="Slow"),
    Case("the slow view of a quiet night", buckets("static_host_request_seconds", 0, 0.01), near="Slow"),
    Case("a worker that crashes again and again", {CRASHES: rate(1 / 300)}, ("WorkersCrash",), where=("a",)),
    Case("one crash", {CRASHES: once(1, 10)}, near="WorkersCrash", where=("a",)),
    Case("a worker is replaced every minute", {RESTARTS % 1: rate(1 / 60)}, ("WorkersRestart",), where=("a",)),
    Case("two reloads in an hour", {RESTARTS % number: once(2, 40) for number in (0, 1)}, near="WorkersRestart"),
    Case(
        "a front that starts every ten minutes",
        {"process_start_time_seconds": " ".join(f"{1_800_000_000 + 600 * number}x9" for number in range(9))},
        ("Restarts",),
        where=("a",),
    ),
    Case(
        "a front that has started once more",
        {"process_start_time_seconds": change("1800000000", "1800000600", 20)},
        near="Restarts",
    ),
    Case(
        "workers near the limit of memory",
        {'static_host_worker_memory_bytes{worker="0"}': steady(350 * MIB)},
        ("MemoryHigh",),
    ),
    Case("workers that grow", {'static_host_worker_memory_bytes{worker="0"}': steady(290 * MIB)}, near="MemoryHigh"),
    Case(
        "workers that share much, where the platform measures memory",
        {'static_host_worker_memory_bytes{worker="0"}': steady(350 * MIB)},
        near="MemoryHigh",
        outside={WORKING_SET: steady(300 * MIB), LIMIT: steady(512 * MIB)},
    ),
    Case("most descriptors are open", {"process_open_fds": steady(45_000)}, ("DescriptorsRunOut",), where=("d",)),
    Case("a third of the descriptors are open", {"process_open_fds": steady(20_000)}, near="DescriptorsRunOut"),
    Case("a store that fails", {LOOKUPS % "failed": rate(0.1), LOOKUPS % "found": rate(0.1)}, ("StoreFails",)),
    Case("a store that is late", {LOOKUPS % "late": rate(0.1)}, ("StoreFails",), where=("a",)),
    Case(
        "a store that fails at times", {LOOKUPS % "failed": rate(0.01), LOOKUPS % "found": rate(1)}, near="StoreFails"
    ),
    Case(
        "the only look-up of a quiet hour fails",
        {LOOKUPS % "failed": once(1, 9)},
        near="StoreFails",
        where=("a",),
    ),
    Case("names that no store has", {LOOKUPS % "absent": rate(3)}, near="StoreFails"),
    Case(
        "an open circuit",
        {"static_host_store_circuit_open": steady(1), LOOKUPS % "circuit_open": rate(0.1)},
        ("StoreCircuitOpen", "StoreFails"),
        where=("a",),
    ),
    Case("a circuit that was open", {"static_host_store_circuit_open": change("1", "0", 75)}, near="StoreCircuitOpen"),
    Case(
        "a pod near its limit of memory",
        {},
        ("MemoryNearLimit",),
        outside={WORKING_SET: steady(480 * MIB), LIMIT: steady(512 * MIB)},
    ),
    Case(
        "a pod far from its limit, and one of another project near it",
        {},
        near="MemoryNearLimit",
        outside={
            WORKING_SET: steady(400 * MIB),
            LIMIT: steady(512 * MIB),
            WORKING_SET.replace("mysite", "other"): steady(512 * MIB),
            LIMIT.replace("mysite", "other"): steady(512 * MIB),
        },
    ),
    Case(
        "an autoscaler at its maximum",
        {},
        ("AutoscalerAtMaximum",),
        outside={REPLICAS: steady(10), MAX_REPLICAS: steady(10)},
    ),
    Case(
        "an autoscaler below its maximum",
        {},
        near="AutoscalerAtMaximum",
        outside={REPLICAS: steady(9), MAX_REPLICAS: steady(10)},
    ),
]


def list_series(case: Case) -> list[dict[str, str]]:
    """Return promtool's input series of a case."""
    series: dict[str, str | None] = dict(case.outside)
    for instance in INSTANCES:
        for name, samples in {**CONTAINER, **(case.changes if instance in case.where else {})}.items():
            metric, _, labels = name.rstrip("}").partition("{")
            own = f'job="static-host",instance="{instance}"'
            series[f"{metric}{{{','.join(filter(None, (own, labels)))}}}"] = samples
    return [{"series": name, "values": samples} for name, samples in series.items() if samples is not None]


def run_promtool(directory: Path, test: Mapping[str, Any]) -> str:
    """Run one test of promtool's; return its output where it fails."""
    promtool = shutil.which("promtool")
    required("" if promtool else "promtool is not installed (Debian's package prometheus has it)")
    file = directory / "test.yaml"
    times = {"evaluation_interval": f"{EVALUATION_SECONDS}s"}
    tests = [{"interval": f"{INTERVAL_SECONDS}s", **test}]
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], **times, "tests": tests}))
    done = subprocess.run(
        [str(promtool), "test", "rules", file], capture_output=True, text=True, timeout=90, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_fires(case: Case, tmp_path: Path) -> None:
    fired = [{"labels": f'{{alertname="StaticHost{name}"}}', "value": 1} for name in sorted(case.fires)]
    expression = {
        "expr": 'sort(group by (alertname) (ALERTS{alertstate="firing"}))',
        "eval_time": f"{END_MINUTES}m",
        "exp_samples": fired,
    }
    assert run_promtool(tmp_path, {"input_series": list_series(case), "promql_expr_test": [expression]}) == ""


def test_each_alert_has_a_case_that_rings_and_one_near_it_that_does_not() -> None:
    names = {rule["alert"].removeprefix("StaticHost") for rule in RULES}
    assert {name for case in CASES for name in case.fires} == names
    assert {case.near for case in CASES if case.near} == names
    assert [case.name for case in CASES if case.near in case.fires] == []


def test_an_alert_says_what_it_is_about(tmp_path: Path) -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "StaticHostStoreFails")
    case = next(case for case in CASES if case.name == "a store that fails")
    expected = {
        "exp_labels": {"severity": "ticket"},
        "exp_annotations": {
            **rule["annotations"],
            "summary": "50% of the look-ups in DJANGO_STATIC_STORE fail.",
        },
    }
    test = {"eval_time": f"{END_MINUTES}m", "alertname": rule["alert"], "exp_alerts": [expected]}
    assert run_promtool(tmp_path, {"input_series": list_series(case), "alert_rule_test": [test]}) == ""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_what_those_who_get_it_need(rule: dict[str, Any]) -> None:
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["for"]
    assert rule["annotations"]["runbook_url"] == f"{RUNBOOK_URL}#{rule['alert'].lower()}"


def test_the_runbook_has_one_section_for_each_alert_in_their_order() -> None:
    head, *sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
    named = {section.partition("\n")[0]: section for section in sections}
    assert list(named) == [rule["alert"] for rule in RULES]
    assert head.startswith("# Runbook\n")
    for rule in RULES:
        text = named[rule["alert"]]
        assert text.startswith(f"{rule['alert']}\n\n{rule['labels']['severity'].title()}. ")
        assert "- **Look at**" in text
        assert "**do**" in text.lower()


def test_the_runbook_s_settings_are_those_of_the_server_and_its_lines_those_of_the_log() -> None:
    text = RUNBOOK.read_text()
    readme = (ROOT / "README.md").read_text()
    names = set(re.findall(r"\b(?:DJANGO|METRICS|LOG|WEB)_[A-Z_]+", text))
    assert {name for name in names if f"| `{name}` |" not in readme} == set()
    source = "".join(file.read_text() for file in (ROOT / "app/static_host").rglob("*.py"))
    for line in ("threads have been busy for", "is being replaced:", "hangs here:", "not ready:", "the store "):
        assert line in text
        assert line in source


def test_the_names_and_the_limit_are_those_of_the_manifests() -> None:
    text = ALERTS.read_text()
    pod = manifest("deployment.yaml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert set(re.findall(r'container="([^"]+)"', text)) == {container["name"]}
    assert set(re.findall(r'pod=~"([^"]+)-\.\*"', text)) == {manifest("deployment.yaml")["metadata"]["name"]}
    assert set(re.findall(r'horizontalpodautoscaler="([^"]+)"', text)) == {
        manifest("autoscaler.yaml")["metadata"]["name"]
    }
    assert f"{container['resources']['limits']['memory'].removesuffix('Mi')} * 1024 * 1024" in text

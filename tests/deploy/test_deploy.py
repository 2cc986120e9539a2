"""The files of deploy/ are valid by their platforms' own schemas, and agree with the server and with each other."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import CollectorRegistry, generate_latest

from static_host.conf.settings import Settings
from static_host.telemetry.counters import Counters, ProcessReport
from static_host.telemetry.prometheus import GAUGES, Collector
from tests.support.processes import run
from tests.support.required import required

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted(path.name for path in DEPLOY.glob("kubernetes/*.yaml") if path.name != "kustomization.yaml")
ALERTS = DEPLOY / "monitoring/alerts.yaml"
DASHBOARD = DEPLOY / "monitoring/dashboard.json"
FIELDS = {field.validation_alias: field for field in Settings.model_fields.values()}


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's tags: `!Ref Secret` is {"Ref": "Secret"}."""


def _function(loader: Any, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_scalar(node)}


_Template.add_multi_constructor("!", _function)


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "kubernetes" / name).read_text())


def resource(name: str) -> Any:
    """Return a resource's properties in the CloudFormation template."""
    template = yaml.load((DEPLOY / "ecs/stack.yaml").read_text(), _Template)
    return template["Resources"][name]["Properties"]


def pod() -> Any:
    return manifest("deployment.yaml")["spec"]["template"]["spec"]


def task() -> Any:
    return resource("Task")["ContainerDefinitions"][0]


def on_kubernetes() -> dict[str, str]:
    """Return the variables that have a literal value."""
    return {each["name"]: each["value"] for each in pod()["containers"][0]["env"] if "value" in each}


def on_ecs() -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in task()["Environment"] if isinstance(each["Value"], str)}


def attributes(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def seconds(variables: dict[str, str]) -> float:
    """Return the seconds that the server takes to end at most: one more than the variables say (README)."""
    return float(variables["DJANGO_DRAIN_SECONDS"]) + float(variables["DJANGO_GRACE_SECONDS"]) + 1


# --- By schema ---


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_keeps_to_the_schema_of_kubernetes(name: str) -> None:
    kubernetes_validate.validate(manifest(name), "1.34", strict=True)


def test_a_misspelt_field_of_a_manifest_would_be_found() -> None:
    wrong = manifest("deployment.yaml")
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.34", strict=True)


def test_every_manifest_is_applied_and_every_kind_is_there() -> None:
    assert sorted(manifest("kustomization.yaml")["resources"]) == MANIFESTS
    kinds = {manifest(name)["kind"] for name in MANIFESTS}
    assert kinds == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress"}


# --- The store ---


def job() -> Any:
    return manifest("publish/job.yaml")


def test_the_job_that_publishes_keeps_to_the_schema_and_is_applied() -> None:
    kubernetes_validate.validate(job(), "1.34", strict=True)
    assert manifest("publish/kustomization.yaml")["resources"] == ["job.yaml"]
    assert job()["spec"]["template"]["spec"]["containers"][0]["command"] == ["static-host", "publish"]


def test_what_is_published_is_what_is_rolled_out_as_the_same_user_from_the_same_store() -> None:
    assert manifest("publish/kustomization.yaml")["images"] == manifest("kustomization.yaml")["images"]
    publishing, serving = job()["spec"]["template"]["spec"], pod()
    (one,), (web,) = publishing["containers"], serving["containers"]
    assert one["image"] == web["image"] == "mysite"
    assert publishing["securityContext"] == serving["securityContext"]
    assert one["securityContext"] == web["securityContext"]
    assert one["envFrom"][0]["configMapRef"]["name"] == web["envFrom"][0]["configMapRef"]["name"] == "mysite-store"
    # a server starts without a store; publishing needs one
    assert web["envFrom"][0]["configMapRef"]["optional"] is True
    assert "optional" not in one["envFrom"][0]["configMapRef"]


def test_a_service_selects_no_pod_that_publishes() -> None:
    labels = job()["spec"]["template"]["metadata"]["labels"]
    assert labels != manifest("service.yaml")["spec"]["selector"]


def test_tasks_may_read_the_store_and_no_more() -> None:
    (policy,) = resource("TaskRole")["Policies"]
    actions = [each["Action"] for each in policy["PolicyDocument"]["Statement"]]
    assert actions == ["s3:ListBucket", "s3:GetObject"]
    values = {each["Name"]: each["Value"] for each in task()["Environment"]}
    place = "s3://${StoreBucket}/${AWS::StackName}"
    (tmpfs,) = task()["LinuxParameters"]["Tmpfs"]
    assert values["DJANGO_STATIC_STORE_DISK"] == "128MB", "uploads need room in /tmp, too"
    assert tmpfs["Size"] == 256
    assert values["DJANGO_STATIC_STORE"] == {"If": ["HasStore", {"Sub": place}, ""]}
    resources = [each["Resource"]["Sub"] for each in policy["PolicyDocument"]["Statement"]]
    assert resources[1] == "arn:${AWS::Partition}:s3:::${StoreBucket}/${AWS::StackName}/*"


def test_the_stack_keeps_to_the_schemas_of_cloudformation() -> None:
    done = run("cfn-lint", "--regions", "eu-central-1", "--", "deploy/ecs/stack.yaml", cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_misspelt_property_of_the_stack_would_be_found(tmp_path: Path) -> None:
    text = (DEPLOY / "ecs/stack.yaml").read_text()
    (tmp_path / "stack.yaml").write_text(text.replace("ErrorCachingMinTTL: 0", "ErrorCachingMinimum: 0", 1))
    done = run("cfn-lint", "--regions", "eu-central-1", "--", "stack.yaml", cwd=tmp_path)
    assert done.returncode != 0
    assert "'ErrorCachingMinimum' was unexpected" in done.stdout


def test_prometheus_takes_the_alerts() -> None:
    promtool = shutil.which("promtool")
    required("" if promtool else "promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run(
        [str(promtool), "check", "rules", ALERTS], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- Variables ---


@pytest.mark.parametrize("variables", [on_kubernetes(), on_ecs()], ids=["kubernetes", "ecs"])
def test_every_variable_is_one_of_the_servers_and_its_value_is_taken(variables: dict[str, str]) -> None:
    assert set(variables) <= set(FIELDS)
    Settings.model_validate(variables)  # raises ValidationError


def test_the_secret_comes_from_a_secret_and_is_written_nowhere() -> None:
    secret = next(each for each in pod()["containers"][0]["env"] if each["name"] == "DJANGO_ORIGIN_SECRET")
    assert secret["valueFrom"]["secretKeyRef"]["key"] == "DJANGO_ORIGIN_SECRET"
    assert task()["Secrets"] == [{"Name": "DJANGO_ORIGIN_SECRET", "ValueFrom": {"Ref": "Secret"}}]
    assert "DJANGO_ORIGIN_SECRET" not in on_kubernetes().keys() | on_ecs().keys()


def test_cloudfront_sends_the_secret_in_the_field_that_the_server_reads() -> None:
    (origin,) = resource("Distribution")["DistributionConfig"]["Origins"]
    (field,) = origin["OriginCustomHeaders"]
    assert field["HeaderName"] == FIELDS["DJANGO_ORIGIN_SECRET_HEADER"].default == "X-Origin-Secret"
    assert "DJANGO_ORIGIN_SECRET_HEADER" not in on_kubernetes().keys() | on_ecs().keys()
    assert field["HeaderValue"] == {"Ref": "OriginSecret"}
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


# --- Ports and paths ---


def test_kubernetes_sends_requests_to_the_port_that_is_listened_on() -> None:
    ports = {each["name"]: each["containerPort"] for each in pod()["containers"][0]["ports"]}
    assert ports == {"http": 8000, "metrics": 9100}
    assert (on_kubernetes()["PORT"], on_kubernetes()["METRICS_PORT"]) == ("8000", "9100")
    assert manifest("deployment.yaml")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9100"
    (port,) = manifest("service.yaml")["spec"]["ports"]
    assert port["targetPort"] == "http"
    backend = manifest("ingress.yaml")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": manifest("service.yaml")["metadata"]["name"], "port": {"name": port["name"]}}


def test_the_load_balancer_sends_requests_to_the_port_that_is_listened_on() -> None:
    (ingress,) = resource("TaskGroup")["SecurityGroupIngress"]
    (balancer,) = resource("Service")["LoadBalancers"]
    (mapping,) = task()["PortMappings"]
    ports = {ingress["FromPort"], ingress["ToPort"], balancer["ContainerPort"], mapping["ContainerPort"]}
    assert ports == {resource("Targets")["Port"]} == {int(on_ecs()["PORT"])} == {8000}
    assert "EXPOSE 8000" in (ROOT / "Dockerfile").read_text()


def test_probes_ask_at_the_servers_own_paths() -> None:
    web = pod()["containers"][0]
    asked = {name: web[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert asked["startupProbe"] == asked["livenessProbe"] == {"path": "/healthz", "port": "http"}
    assert asked["readinessProbe"] == {"path": "/readyz", "port": "http"}
    assert resource("Targets")["HealthCheckPath"] == "/readyz"
    assert FIELDS["DJANGO_HEALTH_PATH"].default == "/healthz"
    assert FIELDS["DJANGO_READY_PATH"].default == "/readyz"
    assert not {"DJANGO_HEALTH_PATH", "DJANGO_READY_PATH"} & (on_kubernetes().keys() | on_ecs().keys())


def test_services_select_the_pods_that_are_deployed() -> None:
    deployment = manifest("deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert manifest("service.yaml")["spec"]["selector"] == labels
    assert manifest("disruption.yaml")["spec"]["selector"]["matchLabels"] == labels
    target = manifest("autoscaler.yaml")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (deployment["kind"], deployment["metadata"]["name"])


# --- Ends and idle connections ---


def test_nobody_is_killed_before_the_server_has_ended() -> None:
    assert pod()["terminationGracePeriodSeconds"] > seconds(on_kubernetes())
    assert task()["StopTimeout"] > seconds(on_ecs())
    assert task()["StopTimeout"] <= 120  # Fargate's limit


def test_a_deploy_takes_nothing_away_before_its_replacement_is_ready() -> None:
    update = manifest("deployment.yaml")["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxUnavailable": 0, "maxSurge": 1}
    assert resource("Service")["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert "replicas" not in manifest("deployment.yaml")["spec"]  # the autoscaler sets them
    assert "DesiredCount" not in resource("Service")


def test_the_disruption_budget_lets_a_machine_be_emptied() -> None:
    assert manifest("disruption.yaml")["spec"]["maxUnavailable"] < manifest("autoscaler.yaml")["spec"]["minReplicas"]


def test_idle_connections_are_closed_from_the_outside_in() -> None:
    (origin,) = resource("Distribution")["DistributionConfig"]["Origins"]
    cdn = origin["CustomOriginConfig"]["OriginKeepaliveTimeout"]
    balancer = int(attributes(resource("Balancer")["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"])
    assert cdn < balancer < int(on_ecs()["DJANGO_KEEP_ALIVE_SECONDS"])
    assert int(on_kubernetes()["DJANGO_KEEP_ALIVE_SECONDS"]) == FIELDS["DJANGO_KEEP_ALIVE_SECONDS"].default == 75


# --- No rights ---


def test_the_container_is_the_images_user_and_writes_only_to_tmp() -> None:
    (user,) = re.findall(r"^USER (\d+:\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    context = pod()["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == task()["User"] == user == "10001:10001"
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    web = pod()["containers"][0]
    assert web["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert task()["ReadonlyRootFilesystem"] is True
    assert task()["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert sum(mount["Size"] for mount in task()["LinuxParameters"]["Tmpfs"]) <= int(resource("Task")["Memory"]) / 2
    assert [mount["mountPath"] for mount in web["volumeMounts"]] == ["/tmp"]
    assert [mount["ContainerPath"] for mount in task()["LinuxParameters"]["Tmpfs"]] == ["/tmp"]
    assert "MountPoints" not in task(), "an empty volume is root's on Fargate"
    assert [mount["name"] for mount in web["volumeMounts"]] == [each["name"] for each in pod()["volumes"]]


# --- The CDN ---


def test_cloudfront_keeps_no_error_and_every_coding_apart() -> None:
    config = resource("Distribution")["DistributionConfig"]
    errors = {each["ErrorCode"]: each["ErrorCachingMinTTL"] for each in config["CustomErrorResponses"]}
    assert errors == dict.fromkeys((400, 403, 404, 405, 414, 500, 501, 502, 503, 504), 0)
    assert not any("ResponsePagePath" in each for each in config["CustomErrorResponses"])
    policy = resource("StaticCache")["CachePolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert (key["EnableAcceptEncodingBrotli"], key["EnableAcceptEncodingGzip"]) == (True, True)
    assert (policy["MinTTL"], policy["MaxTTL"]) == (0, 31536000)
    (behaviour,) = config["CacheBehaviors"]
    assert (behaviour["PathPattern"], behaviour["Compress"]) == ("/static/*", False)
    assert config["HttpVersion"] == "http2and3"


# --- Monitoring ---


def metric_names() -> set[str]:
    """Return the names that Prometheus gets from a server whose gauges all have a value."""
    counts = Counters()
    counts.count_response("fast", 200, "br", 10)
    counts.count_duration(0.1)
    counts.store_lookups["found"] += 1
    registry = CollectorRegistry()
    registry.register(Collector(lambda: (Counters(), [ProcessReport(counts, dict.fromkeys(GAUGES, 1.0))]), lambda: "a"))
    return set(re.findall(r"^(static_host_\w+)", generate_latest(registry).decode(), re.MULTILINE))


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
    asked = set(re.findall(r"static_host_\w+", question))
    assert asked
    assert asked <= metric_names()
    handlers = {handler for handlers in re.findall(r'handler=~?"([^"]+)"', question) for handler in handlers.split("|")}
    assert handlers <= {"fast", "static", "django", "health", "refused"}


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

"""The files of deploy/ are valid by their platforms' own schemas, and agree with the server and with each other."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from static_host.conf.settings import Settings
from static_host.middleware.forwarded import TrustedProxies
from tests.support.deploy_files import DEPLOY, manifest, on_ecs, on_kubernetes, pod, resource, task
from tests.support.processes import run

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted(path.name for path in DEPLOY.glob("kubernetes/base/*.yaml") if path.name != "kustomization.yaml")
FIELDS = {field.validation_alias: field for field in Settings.model_fields.values()}


def attributes(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def seconds(variables: dict[str, str]) -> float:
    """Return the seconds that the server takes to end at most."""
    return Settings.model_validate(variables).stop_seconds


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
    assert kinds == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}


# --- The store ---


def test_tasks_may_read_the_store_and_no_more() -> None:
    (policy,) = resource("TaskRole")["Policies"]
    actions = [each["Action"] for each in policy["PolicyDocument"]["Statement"]]
    assert actions == ["s3:ListBucket", "s3:GetObject"]
    values = {each["Name"]: each["Value"] for each in task()["Environment"]}
    place = "s3://${StoreBucket}/${AWS::StackName}"
    (tmpfs,) = task()["LinuxParameters"]["Tmpfs"]
    assert values["DJANGO_STATIC_STORE_DIRECTORY"].startswith("/tmp/")
    assert values["DJANGO_STATIC_STORE_DISK"] == "128MB"
    assert tmpfs["Size"] == 256
    assert values["DJANGO_STATIC_STORE"] == {"If": ["HasStore", {"Sub": place}, ""]}
    resources = [each["Resource"]["Sub"] for each in policy["PolicyDocument"]["Statement"]]
    assert resources[1] == "arn:${AWS::Partition}:s3:::${StoreBucket}/${AWS::StackName}/*"
    listed = policy["PolicyDocument"]["Statement"][0]["Condition"]
    assert listed == {"StringLike": {"s3:prefix": {"Sub": "${AWS::StackName}/*"}}}


def test_the_stack_keeps_to_the_schemas_of_cloudformation() -> None:
    done = run("cfn-lint", "--regions", "eu-central-1", "--", "deploy/ecs/stack.yaml", cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_misspelt_property_of_the_stack_would_be_found(tmp_path: Path) -> None:
    text = (DEPLOY / "ecs/stack.yaml").read_text()
    (tmp_path / "stack.yaml").write_text(text.replace("ErrorCachingMinTTL: 0", "ErrorCachingMinimum: 0", 1))
    done = run("cfn-lint", "--regions", "eu-central-1", "--", "stack.yaml", cwd=tmp_path)
    assert done.returncode != 0
    assert "'ErrorCachingMinimum' was unexpected" in done.stdout


# --- Variables ---


@pytest.mark.parametrize("variables", [on_kubernetes(), on_ecs()], ids=["kubernetes", "ecs"])
def test_every_variable_is_one_of_the_servers_and_its_value_is_taken(variables: dict[str, str]) -> None:
    assert set(variables) <= set(FIELDS)
    Settings.model_validate(variables)  # raises ValidationError


def test_the_secret_comes_from_a_secret_and_is_written_nowhere() -> None:
    secret = next(each for each in pod()["containers"][0]["env"] if each["name"] == "DJANGO_ORIGIN_SECRET")
    assert secret["valueFrom"]["secretKeyRef"]["key"] == "DJANGO_ORIGIN_SECRET"
    assert task()["Secrets"][0] == {"Name": "DJANGO_ORIGIN_SECRET", "ValueFrom": {"Ref": "Secret"}}
    assert "DJANGO_ORIGIN_SECRET" not in on_kubernetes().keys() | on_ecs().keys()


def test_cloudfront_sends_the_secret_in_the_field_that_the_server_reads() -> None:
    (origin,) = resource("Distribution")["DistributionConfig"]["Origins"]
    (field,) = origin["OriginCustomHeaders"]
    assert field["HeaderName"] == FIELDS["DJANGO_ORIGIN_SECRET_HEADER"].default == "X-Origin-Secret"
    assert "DJANGO_ORIGIN_SECRET_HEADER" not in on_kubernetes().keys() | on_ecs().keys()
    assert field["HeaderValue"] == {"Ref": "OriginSecret"}
    assert origin["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


def test_only_proxies_tell_the_client_s_address() -> None:
    origin = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["origin"]["environment"]
    assert origin["FORWARDED_ALLOW_IPS"] == on_kubernetes()["FORWARDED_ALLOW_IPS"] == "private"
    values = {each["Name"]: each["Value"] for each in task()["Environment"]}
    assert values["FORWARDED_ALLOW_IPS"] == {"Ref": "VpcCidr"}
    proxies = TrustedProxies(["10.0.0.0/16"], int(values["DJANGO_PROXY_HOPS"]))  # VpcCidr's default
    seen = b"192.0.2.66, 203.0.113.7, 198.51.100.1"  # forged, the visitor, CloudFront
    assert proxies.resolve(("10.0.3.4", 1), [(b"x-forwarded-for", seen)])[0] == ("203.0.113.7", 0)


# --- Ports and paths ---


def test_kubernetes_sends_requests_to_the_port_that_is_listened_on() -> None:
    ports = {each["name"]: each["containerPort"] for each in pod()["containers"][0]["ports"]}
    assert ports == {"http": 8000, "metrics": 9100}
    assert (on_kubernetes()["PORT"], on_kubernetes()["METRICS_PORT"]) == ("8000", "9100")
    assert manifest("deployment.yaml")["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9100"
    (port,) = manifest("service.yaml")["spec"]["ports"]
    assert port["targetPort"] == "http"


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
    assert pod()["terminationGracePeriodSeconds"] >= seconds(on_kubernetes()) > 15
    assert task()["StopTimeout"] >= seconds(on_ecs())
    assert task()["StopTimeout"] <= 120  # Fargate's limit
    delay = attributes(resource("Targets")["TargetGroupAttributes"])["deregistration_delay.timeout_seconds"]
    assert int(delay) >= Settings.model_validate(on_ecs()).grace  # requests in flight, before SIGTERM


@pytest.mark.parametrize(
    ("name", "services"),
    [("docker-compose.yml", ["web", "origin"]), ("deploy/compose/docker-compose.yml", ["web"])],
)
def test_compose_waits_for_the_server_too(name: str, services: list[str]) -> None:
    described = yaml.safe_load((ROOT / name).read_text())["services"]
    periods = [described[service]["stop_grace_period"] for service in services]
    for period in periods:
        assert re.fullmatch(r"\d+s", period)
        assert int(period[:-1]) >= seconds({}) == 29


def test_the_default_grace_time_lets_a_view_of_20_s_end() -> None:
    assert FIELDS["DJANGO_GRACE_SECONDS"].default == 25
    assert "DJANGO_GRACE_SECONDS" not in on_kubernetes().keys() | on_ecs().keys()  # one place decides


def test_a_deploy_takes_nothing_away_before_its_replacement_is_ready() -> None:
    update = manifest("deployment.yaml")["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxUnavailable": 0, "maxSurge": 1}
    assert resource("Service")["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
    assert "replicas" not in manifest("deployment.yaml")["spec"]  # the autoscaler sets them
    assert "DesiredCount" not in resource("Service")


def test_the_disruption_budget_lets_a_machine_be_emptied() -> None:
    assert manifest("disruption.yaml")["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    assert manifest("disruption.yaml")["spec"]["maxUnavailable"] < manifest("autoscaler.yaml")["spec"]["minReplicas"]


def test_idle_connections_are_closed_from_the_outside_in() -> None:
    (origin,) = resource("Distribution")["DistributionConfig"]["Origins"]
    cdn = origin["CustomOriginConfig"]["OriginKeepaliveTimeout"]
    balancer = int(attributes(resource("Balancer")["LoadBalancerAttributes"])["idle_timeout.timeout_seconds"])
    assert cdn < balancer < int(on_ecs()["DJANGO_KEEP_ALIVE_SECONDS"])
    assert int(on_kubernetes()["DJANGO_KEEP_ALIVE_SECONDS"]) == FIELDS["DJANGO_KEEP_ALIVE_SECONDS"].default == 75


# --- No rights ---


def test_the_container_is_the_images_user_and_writes_only_to_its_volumes() -> None:
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
    (spool,) = re.findall(r"^VOLUME (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert [mount["mountPath"] for mount in web["volumeMounts"]] == ["/tmp", spool]
    assert [mount["ContainerPath"] for mount in task()["LinuxParameters"]["Tmpfs"]] == ["/tmp"]
    (mount,) = task()["MountPoints"]  # an empty volume is root's on Fargate, unless the image has it
    assert (mount["ContainerPath"], resource("Task")["Volumes"]) == (spool, [{"Name": mount["SourceVolume"]}])
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


def test_the_tables_say_what_fastly_does_with_pages_and_cloudflare_with_short_ages() -> None:
    """Both were read in the CDNs' documentation, not tried."""
    short, long = (ROOT / "README.md").read_text(), (DEPLOY / "README.md").read_text()
    assert "pass: it keeps a page without `max-age` and `Expires` for an hour" in short
    assert "Browser Cache TTL: Respect Existing Headers. It raises shorter ages" in short
    fastly, cloudflare = long.split("### Fastly")[1], long.split("### Cloudflare")[1].split("### Fastly")[0]
    assert '| action *pass*, with the condition `req.url.path !~ "^/static/"` |' in fastly
    assert (
        "| Browser Cache TTL | Respect Existing Headers, also in cache rules | it raises shorter ages only"
        in cloudflare
    )

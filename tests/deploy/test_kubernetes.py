"""The overlays of deploy/kubernetes, as kustomize renders them: valid, complete, and open to the right hosts alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from static_host.conf.settings import Settings
from tests.support.deploy_files import DEPLOY, manifest, on_kubernetes, render

HOSTS = {
    "production": ["origin.example.com", "www.example.com"],
    "staging": ["origin.staging.example.com", "staging.example.com"],
}
NAMESPACES = {"production": "mysite", "staging": "mysite-staging"}
CUSTOM = ("Gateway", "HTTPRoute")
"""Kinds that are not Kubernetes' own, so kubernetes-validate has no schema: tests have their whole `spec`."""


# --- Rendered ---


@pytest.mark.parametrize("overlay", HOSTS)
def test_an_overlay_renders_to_valid_manifests_in_its_own_namespace(overlay: str) -> None:
    rendered = render(overlay)
    assert rendered.keys() == {
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Gateway",
        "HTTPRoute",
    }
    assert {each["metadata"]["namespace"] for each in rendered.values()} == {NAMESPACES[overlay]}
    for kind, document in rendered.items():
        if kind not in CUSTOM:
            kubernetes_validate.validate(document, "1.34", strict=True)


@pytest.mark.parametrize("overlay", HOSTS)
@pytest.mark.parametrize("job", ["migrate", "publish"])
def test_a_job_runs_the_image_that_is_rolled_out_in_the_same_namespace(overlay: str, job: str) -> None:
    (one,) = render(f"{overlay}/{job}").values()
    kubernetes_validate.validate(one, "1.34", strict=True)
    deployment = render(overlay)["Deployment"]
    assert one["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    images = [each["spec"]["template"]["spec"]["containers"][0]["image"] for each in (one, deployment)]
    assert images == ["registry.example.com/mysite:1", "registry.example.com/mysite:1"]


def test_an_image_has_its_tag_in_one_file_of_an_overlay() -> None:
    for overlay in HOSTS:
        files = (DEPLOY / "kubernetes" / overlay).rglob("*.yaml")
        assert [path.parent.name for path in files if "newTag" in path.read_text()] == ["release"]


def test_staging_is_smaller() -> None:
    most = {overlay: render(overlay)["HorizontalPodAutoscaler"]["spec"]["maxReplicas"] for overlay in HOSTS}
    assert most == {"production": 10, "staging": 3}


def test_pods_are_spread_over_zones_and_nodes_without_stopping_a_rollout() -> None:
    spread = render("production")["Deployment"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    same = {
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "mysite"}},
        "matchLabelKeys": ["pod-template-hash"],
    }
    assert spread == [
        {"topologyKey": "topology.kubernetes.io/zone", **same},
        {"topologyKey": "kubernetes.io/hostname", **same},
    ]


GIBIBYTES = {"64Mi": 1 / 16, "128Mi": 1 / 8, "1Gi": 1.0, "2Gi": 2.0, "3Gi": 3.0}


def test_the_disk_that_a_pod_may_fill_is_requested_and_its_volumes_fit_below_the_limit() -> None:
    pod = render("production")["Deployment"]["spec"]["template"]["spec"]
    resources = pod["containers"][0]["resources"]
    disk = [GIBIBYTES[resources[each]["ephemeral-storage"]] for each in ("requests", "limits")]
    volumes = {each["name"]: GIBIBYTES[each["emptyDir"]["sizeLimit"]] for each in pod["volumes"]}
    assert disk[0] >= volumes["spool"] == 2.0
    assert disk[1] > sum(volumes.values())
    for job in ("migrate", "publish"):
        (one,) = render(f"production/{job}").values()
        resources = one["spec"]["template"]["spec"]["containers"][0]["resources"]
        assert [resources[each]["ephemeral-storage"] for each in ("requests", "limits")] == ["128Mi", "1Gi"]


def namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def test_only_the_gateway_reaches_the_site_and_only_prometheus_its_metrics() -> None:
    rendered = render("production")
    spec = rendered["NetworkPolicy"]["spec"]
    labels = rendered["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"] == {"matchLabels": labels}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {"from": [namespace("gateway-system")], "ports": [{"port": "http", "protocol": "TCP"}]},
        {"from": [namespace("monitoring")], "ports": [{"port": "metrics", "protocol": "TCP"}]},
    ]


def test_pods_reach_names_the_database_and_https_alone() -> None:
    assert render("production")["NetworkPolicy"]["spec"]["egress"] == [
        {
            "to": [namespace("kube-system")],
            "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        },
        {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 5432, "protocol": "TCP"}]},
        {
            "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}],
            "ports": [{"port": 443, "protocol": "TCP"}],
        },
    ]


def test_a_pod_monitor_replaces_the_annotations_and_gives_the_job_of_the_alerts(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "kubernetes", tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes/production/kustomization.yaml"
    overlay.write_text(overlay.read_text().replace("# - ../podmonitor", "- ../podmonitor"))
    rendered = render(str(overlay.parent))
    template = rendered["Deployment"]["spec"]["template"]
    assert template["metadata"] == {"labels": {"app.kubernetes.io/name": "mysite"}}
    assert rendered["PodMonitor"]["apiVersion"] == "monitoring.coreos.com/v1"
    assert rendered["PodMonitor"]["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "mysite"}},
        "podMetricsEndpoints": [
            {"port": "metrics", "relabelings": [{"targetLabel": "job", "replacement": "static-host"}]}
        ],
    }
    assert 'job="static-host"' in (DEPLOY / "monitoring/alerts.yaml").read_text()


# --- The doors: a CDN connects to one host, and sends the other ---


@pytest.mark.parametrize(("overlay", "hosts"), HOSTS.items())
def test_a_gateway_ends_tls_for_both_hosts_and_a_route_admits_both(overlay: str, hosts: list[str]) -> None:
    rendered = render(overlay)
    tls = {"mode": "Terminate", "certificateRefs": [{"name": "mysite-tls"}]}
    same = {"port": 443, "protocol": "HTTPS", "tls": tls}
    origin, site = hosts
    assert rendered["Gateway"]["spec"] == {
        "gatewayClassName": "example",
        "listeners": [{"name": "origin", "hostname": origin, **same}, {"name": "site", "hostname": site, **same}],
    }
    path = {"type": "PathPrefix", "value": "/"}
    assert rendered["HTTPRoute"]["spec"] == {
        "parentRefs": [{"name": rendered["Gateway"]["metadata"]["name"]}],
        "hostnames": hosts,
        "rules": [{"matches": [{"path": path}], "backendRefs": [{"name": "mysite", "port": 80}]}],
    }
    assert [rendered["Gateway"]["apiVersion"], rendered["HTTPRoute"]["apiVersion"]] == [
        "gateway.networking.k8s.io/v1",
        "gateway.networking.k8s.io/v1",
    ]
    (port,) = rendered["Service"]["spec"]["ports"]
    assert (rendered["Service"]["metadata"]["name"], port["port"], port["targetPort"]) == ("mysite", 80, "http")


def ingress() -> Any:
    return manifest("ingress/ingress.yaml")


def test_an_ingress_ends_tls_for_both_hosts_and_admits_both() -> None:
    kubernetes_validate.validate(ingress(), "1.34", strict=True)
    spec, hosts = ingress()["spec"], HOSTS["production"]
    assert spec["tls"] == [{"hosts": hosts, "secretName": "mysite-tls"}]
    backend = {"service": {"name": "mysite", "port": {"name": "http"}}}
    http = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    assert spec["rules"] == [{"host": host, "http": http} for host in hosts]


def test_an_ingress_lets_every_body_through_that_the_server_accepts() -> None:
    """nginx's unit m is a MiB."""
    limits = ingress()["metadata"]["annotations"]
    assert limits == {
        "nginx.ingress.kubernetes.io/proxy-body-size": "100m",
        "nginx.org/client-max-body-size": "100m",
    }
    (megabytes,) = re.findall(r"^(\d+)m$", limits["nginx.ingress.kubernetes.io/proxy-body-size"])
    accepted = Settings.model_validate({"DJANGO_MAX_BODY": on_kubernetes()["DJANGO_MAX_BODY"]}).max_body
    assert int(megabytes) * 2**20 >= accepted == 100_000_000


def test_an_overlay_can_have_an_ingress_in_place_of_a_gateway() -> None:
    for name in ("gateway", "ingress"):
        assert manifest(f"{name}/kustomization.yaml")["kind"] == "Component"
    assert [manifest(f"{each}/kustomization.yaml")["components"][0] for each in HOSTS] == ["../gateway", "../gateway"]
    assert manifest("ingress/kustomization.yaml")["resources"] == ["ingress.yaml"]

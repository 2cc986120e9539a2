"""The files of deploy/, read: Kubernetes' manifests, and the resources of the CloudFormation template."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's tags: `!Ref Secret` is {"Ref": "Secret"}."""


def _function(loader: Any, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_scalar(node)}


_Template.add_multi_constructor("!", _function)


def manifest(name: str) -> Any:
    """Return a manifest by its path below deploy/kubernetes; a name without a folder is one of base/."""
    path = name if "/" in name else f"base/{name}"
    return yaml.safe_load((DEPLOY / "kubernetes" / path).read_text())


def render(folder: str) -> dict[str, Any]:
    """Return what `kubectl apply -k` would send to a cluster, by kind: kustomize's own output."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:  # also in CI: Debian 12 has one that is too old for these overlays
        pytest.skip("kubectl is not installed (Debian 13's package kubernetes-client has it)")
    command = [str(kubectl), "kustomize", str(DEPLOY / "kubernetes" / folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    documents = list(yaml.safe_load_all(done.stdout))
    by_kind = {each["kind"]: each for each in documents}
    assert len(by_kind) == len(documents)
    return by_kind


def template() -> Any:
    """Return the CloudFormation template."""
    return yaml.load((DEPLOY / "ecs/stack.yaml").read_text(), _Template)


def resource(name: str) -> Any:
    """Return a resource's properties in the CloudFormation template."""
    return template()["Resources"][name]["Properties"]


def pod() -> Any:
    return manifest("deployment.yaml")["spec"]["template"]["spec"]


def task() -> Any:
    return resource("Task")["ContainerDefinitions"][0]


def on_kubernetes() -> dict[str, str]:
    """Return the variables that have a literal value."""
    return {each["name"]: each["value"] for each in pod()["containers"][0]["env"] if "value" in each}


def on_ecs() -> dict[str, str]:
    return {each["Name"]: each["Value"] for each in task()["Environment"] if isinstance(each["Value"], str)}

"""What runs once for a release: jobs that publish and migrate; and the project's own secrets on each platform."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.deploy_files import DEPLOY, manifest, on_ecs, on_kubernetes, pod, resource, task


@pytest.mark.parametrize(("name", "command"), [("publish", ["publish"]), ("migrate", ["manage", "migrate"])])
def test_a_job_keeps_to_the_schema_and_runs_what_is_rolled_out_as_the_same_user(name: str, command: list[str]) -> None:
    job = manifest(f"{name}/job.yaml")
    kubernetes_validate.validate(job, "1.34", strict=True)
    assert manifest(f"{name}/kustomization.yaml")["resources"] == ["job.yaml"]
    running, serving = job["spec"]["template"]["spec"], pod()
    (one,), (web,) = running["containers"], serving["containers"]
    assert one["command"] == ["static-host", *command]
    assert one["image"] == web["image"] == "mysite"
    assert running["securityContext"] == serving["securityContext"]
    assert one["securityContext"] == web["securityContext"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert labels != manifest("service.yaml")["spec"]["selector"]  # a Service selects no Pod of a Job


def sources(container: Any) -> dict[str, dict[str, Any]]:
    """Return the maps and secrets that give a container all their variables, by kind and name."""
    references = [(kind, reference) for each in container["envFrom"] for kind, reference in each.items()]
    return {f"{kind} {reference['name']}": reference for kind, reference in references}


def test_publishing_needs_a_store_and_a_server_does_not() -> None:
    (one,) = manifest("publish/job.yaml")["spec"]["template"]["spec"]["containers"]
    (web,) = pod()["containers"]
    assert sources(web)["configMapRef mysite-store"]["optional"] is True
    assert "optional" not in sources(one)["configMapRef mysite-store"]


def test_migrations_have_the_secrets_of_the_project_and_no_others() -> None:
    (migrate,) = manifest("migrate/job.yaml")["spec"]["template"]["spec"]["containers"]
    assert sources(migrate) == {"secretRef mysite-project": {"name": "mysite-project"}}
    assert sources(pod()["containers"][0])["secretRef mysite-project"] == {"name": "mysite-project"}


def test_a_task_applies_the_migrations_of_the_next_image_as_the_same_user() -> None:
    (one,), web = resource("Migration")["ContainerDefinitions"], task()
    assert one["Command"] == ["static-host", "manage", "migrate"]
    assert one["Image"] == {"If": ["HasMigrationImage", {"Ref": "MigrationImage"}, {"Ref": "Image"}]}
    assert web["Image"] == {"Ref": "Image"}
    same = ("User", "ReadonlyRootFilesystem")
    assert [one[name] for name in same] == [web[name] for name in same]
    assert one["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert one["Environment"] == [{"Name": "DATABASE_HOST", "Value": {"Ref": "DatabaseHost"}}]
    assert one["Environment"][0] in web["Environment"]


def test_the_secrets_of_the_project_have_the_same_names_on_every_platform() -> None:
    compose = yaml.safe_load((DEPLOY / "compose/docker-compose.yml").read_text())
    names = list(compose["secrets"])
    assert names == compose["x-project"]["secrets"] == ["SECRET_KEY", "DATABASE_PASSWORD"]
    expected = [{"Name": name, "ValueFrom": {"Sub": f"${{ProjectSecret}}:{name}::"}} for name in names]
    assert resource("Migration")["ContainerDefinitions"][0]["Secrets"] == expected
    assert task()["Secrets"] == [{"Name": "DJANGO_ORIGIN_SECRET", "ValueFrom": {"Ref": "Secret"}}, *expected]
    policy = resource("ExecutionRole")["Policies"][0]
    statement = policy["PolicyDocument"]["Statement"][0]
    assert statement["Resource"] == [{"Ref": "Secret"}, {"Ref": "ProjectSecret"}]
    created = (DEPLOY / "README.md").read_text()
    assert [name for name in names if f"--from-literal={name}=" not in created] == []
    written = {"DATABASE_HOST", "SECRET_KEY", "DATABASE_PASSWORD"} & (on_kubernetes().keys() | on_ecs().keys())
    assert written == set()

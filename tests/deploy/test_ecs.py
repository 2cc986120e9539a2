"""The CloudFormation template: what an account must give it, what it lets tasks read, and what it records."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.deploy_files import DEPLOY, resource, task, template

README = (DEPLOY / "README.md").read_text()
SETTINGS = {"Image", "VpcId", "VpcCidr", "PublicSubnets", "PrivateSubnets", "CloudFrontPrefixList", "DomainName"} | {
    "ViewerCertificate",
    "OriginDomainName",
    "OriginCertificate",
    "OriginZone",
    "OriginSecret",
    "ProjectSecret",
    "DatabaseHost",
}


def migration() -> Any:
    return resource("Migration")["ContainerDefinitions"][0]


def by_name(pairs: list[dict[str, Any]], key: str, value: str) -> dict[str, Any]:
    return {each[key]: each[value] for each in pairs}


# --- Parameters ---


def test_what_differs_in_each_account_has_no_default_and_is_in_the_command() -> None:
    parameters = template()["Parameters"]
    assert {name for name, facts in parameters.items() if "Default" not in facts} == SETTINGS
    (command,) = re.findall(r"--parameter-overrides (Image=… .*?)```", README, re.DOTALL)
    assert {name for name in SETTINGS if f"{name}=" in command} == SETTINGS


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("VpcCidr", ["10.0.0.0/16", "172.31.0.0/16"], ["", "*", "10.0.0.0"]),
        ("EnvironmentFile", ["", "arn:aws:s3:::bucket/mysite.env"], ["s3://bucket/mysite.env", "arn:aws:s3:::bucket"]),
        ("AlarmTopic", ["", "arn:aws:sns:eu-central-1:1:alarms"], ["alarms"]),
    ],
)
def test_a_parameter_that_cannot_be_right_is_refused(name: str, right: list[str], wrong: list[str]) -> None:
    pattern = template()["Parameters"][name]["AllowedPattern"]
    assert [value for value in [*right, *wrong] if re.search(pattern, value)] == right


def test_a_repeated_deployment_keeps_the_secret() -> None:
    assert 'OriginSecret="$(openssl' not in README
    assert README.count("secretsmanager create-secret --name mysite-origin") == 1
    assert 'OriginSecret="$(aws secretsmanager get-secret-value --secret-id mysite-origin' in README


def test_both_tasks_are_for_the_processor_of_the_image() -> None:
    assert template()["Parameters"]["Architecture"]["AllowedValues"] == ["X86_64", "ARM64"]
    expected = {"OperatingSystemFamily": "LINUX", "CpuArchitecture": {"Ref": "Architecture"}}
    assert resource("Task")["RuntimePlatform"] == resource("Migration")["RuntimePlatform"] == expected


# --- What the project reads ---


def test_the_projects_variables_can_be_in_a_file_that_both_tasks_read() -> None:
    files = {
        "If": ["HasEnvironmentFile", [{"Type": "s3", "Value": {"Ref": "EnvironmentFile"}}], {"Ref": "AWS::NoValue"}]
    }
    assert task()["EnvironmentFiles"] == migration()["EnvironmentFiles"] == files
    condition, policy, none = resource("ExecutionRole")["Policies"][1]["If"]
    assert (condition, none) == ("HasEnvironmentFile", {"Ref": "AWS::NoValue"})
    file = {"Ref": "EnvironmentFile"}
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": file},
        {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": {"Select": [0, {"Split": ["/", file]}]}},
    ]


def test_secrets_can_be_parameters_below_the_stacks_name() -> None:
    place = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/"
    (_, statement) = resource("ExecutionRole")["Policies"][0]["PolicyDocument"]["Statement"]
    assert statement == {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": {"Sub": f"{place}*"}}
    assert f'{{Name: EMAIL_PASSWORD, ValueFrom: !Sub\n"{place}EMAIL_PASSWORD"}}' in README


def test_the_group_and_the_migration_are_outputs() -> None:
    values = {name: facts["Value"] for name, facts in template()["Outputs"].items()}
    assert values["TaskGroup"] == {"Ref": "TaskGroup"}
    assert values["MigrationTask"] == {"Ref": "Migration"}


# --- What is recorded ---


def test_the_load_balancer_writes_its_log_to_a_private_bucket() -> None:
    attributes = by_name(resource("Balancer")["LoadBalancerAttributes"], "Key", "Value")
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["access_logs.s3.bucket"] == {"Ref": "BalancerLogs"}
    assert template()["Resources"]["Balancer"]["DependsOn"] == "BalancerLogsPolicy"
    assert set(resource("BalancerLogs")["PublicAccessBlockConfiguration"].values()) == {True}
    assert resource("BalancerLogs")["LifecycleConfiguration"]["Rules"] == [
        {"Status": "Enabled", "ExpirationInDays": 30}
    ]
    assert resource("BalancerLogsPolicy")["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": {"Sub": "${BalancerLogs.Arn}/AWSLogs/${AWS::AccountId}/*"},
        }
    ]


def test_container_insights_are_on() -> None:
    assert by_name(resource("Cluster")["ClusterSettings"], "Name", "Value") == {"containerInsights": "enabled"}


def test_alarms_watch_what_visitors_notice_and_go_to_the_topic() -> None:
    alarms = {
        name: facts["Properties"]
        for name, facts in template()["Resources"].items()
        if facts["Type"] == "AWS::CloudWatch::Alarm"
    }
    watched = {name: (facts["Namespace"], facts["MetricName"], facts["Threshold"]) for name, facts in alarms.items()}
    assert watched == {
        "AlarmTasks": ("ECS/ContainerInsights", "RunningTaskCount", 2),
        "AlarmServerErrors": ("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", 10),
        "AlarmBalancerErrors": ("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", 10),
        "AlarmSlow": ("AWS/ApplicationELB", "TargetResponseTime", 2),
        "AlarmProcessor": ("AWS/ECS", "CPUUtilization", 85),
    }
    topic = {"If": ["HasAlarmTopic", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]}
    assert [name for name, facts in alarms.items() if facts["AlarmActions"] != topic] == []
    assert alarms["AlarmTasks"]["TreatMissingData"] == "breaching"  # no task, no figure
    assert alarms["AlarmTasks"]["Threshold"] == resource("Scaling")["MinCapacity"]

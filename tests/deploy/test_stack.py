"""The template: cfn-lint accepts it, and it allows nothing that it must not."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import template
from tabproof.cli.runs import runs
from tests.conftest import ROOT

TEXT = template.body()
RESOURCES: dict[str, Any] = template.read()["Resources"]
# Those for which AWS knows no narrower resource.
ANY_RESOURCE = {"ecr:GetAuthorizationToken"}


def of_kind(kind: str) -> dict[str, Any]:
    found = {name: each for name, each in RESOURCES.items() if each["Type"] == kind}
    assert found
    return {name: each.get("Properties", {}) for name, each in found.items()}


def only(kind: str) -> Any:
    (properties,) = of_kind(kind).values()
    return properties


def statements(role: str) -> list[dict[str, Any]]:
    policies = RESOURCES[role]["Properties"]["Policies"]
    return [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def container(task: str = "TaskDefinition") -> Any:
    (container,) = RESOURCES[task]["Properties"]["ContainerDefinitions"]
    return container


def entries(listed: list[Any]) -> list[Any]:
    """Return all entries; one that depends on a condition is a list: of it, the entry, nothing."""
    return [each if isinstance(each, dict) else each[1] for each in listed]


def test_cfn_lint_finds_nothing_in_both_templates() -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    files = (template.FILE, template.FILE.with_name("github-oidc.yaml"))
    done = subprocess.run(
        [lint, "--include-checks", "I", "--", *map(str, files)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_template_is_small_enough_and_has_no_aliases() -> None:
    assert len(TEXT.encode()) < 51_200
    # CloudFormation reads YAML 1.1 without anchors.
    assert not re.search(r"^\s*(-|\w+:)\s+[&*]\w", TEXT, re.MULTILINE)


@pytest.mark.parametrize("role", of_kind("AWS::IAM::Role"))
def test_roles_name_actions_and_resources(role: str) -> None:
    for statement in statements(role):
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            assert "*" not in action
            if "*" in listed(statement["Resource"]):
                assert action in ANY_RESOURCE


@pytest.mark.parametrize("role", of_kind("AWS::IAM::Role"))
def test_only_tasks_of_this_account_can_assume_a_role(role: str) -> None:
    (trust,) = RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    service = "scheduler" if role == "ScheduleRole" else "ecs-tasks"
    assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "AWS::AccountId"}


def test_service_can_only_read_one_prefix() -> None:
    read, look = statements("TaskRole")
    assert read["Action"] == "s3:GetObject"
    assert read["Resource"] == "${ModelBucket.Arn}/${ModelBucketPrefix}/*"
    assert look["Action"] == "s3:ListBucket"
    assert look["Condition"]["StringLike"]["s3:prefix"] == [
        "ModelBucketPrefix",
        "${ModelBucketPrefix}/*",
    ]


def test_task_may_read_exactly_its_settings() -> None:
    (reads,) = [each for each in statements("ExecutionRole") if each["Sid"] == "ReadTheSettings"]
    may = {arn.rpartition("/")[2] for arn in reads["Resource"]}
    made = {each["Name"].rpartition("/")[2] for each in of_kind("AWS::SSM::Parameter").values()}
    assert may == made
    names = {each["Name"] for each in entries(container()["Secrets"])}
    assert names == made | {"API_KEY", "API_LABELS_TOKEN"}
    (reads,) = [each for each in statements("ExecutionRole") if each["Sid"] == "ReadTheSecrets"]
    assert reads["Resource"] == ["ApiKey", ["Logs", "LabelsToken", "AWS::NoValue"]]


def test_variables_of_the_container_are_settings_of_the_service() -> None:
    from tabproof.service.settings import VARIABLES

    names = {each["Name"].rpartition("/")[2] for each in of_kind("AWS::SSM::Parameter").values()}
    names |= {each["Name"] for each in container()["Environment"]} | {"API_KEY"}
    # The first is read by what talks to S3, the second by what writes the log.
    assert names - {"AWS_REGION", "API_PREDICTION_LOG"} <= VARIABLES.keys()


def test_service_writes_its_log_beside_the_models_and_reads_none_of_it() -> None:
    (statement,) = RESOURCES["LogPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert RESOURCES["LogPolicy"]["Properties"]["RoleName"] == "TaskRole"
    assert statement["Action"] == "s3:PutObject"
    assert statement["Resource"] == "${ModelBucket.Arn}/${PredictionLogPrefix}/*"
    assert template.read()["Parameters"]["PredictionLogPrefix"]["Default"] == ""
    made = {name for name, each in RESOURCES.items() if each.get("Condition") == "Logs"}
    assert made == {"LogPolicy", "LabelsToken"}
    served, trained = (
        {each["Name"]: each["Value"] for each in container(task)["Environment"]}
        for task in ("TaskDefinition", "RetrainTask")
    )
    # A task that trains again reads the same place.
    place = "s3://${ModelBucket}/${PredictionLogPrefix}"
    assert (served["API_PREDICTION_LOG"], trained["LOG"]) == (["Logs", place, ""], place)


def test_container_can_only_write_to_its_volumes() -> None:
    found = container()
    assert found["ReadonlyRootFilesystem"] == "true" or found["ReadonlyRootFilesystem"] is True
    assert {each["ContainerPath"] for each in found["MountPoints"]} == {
        "/var/lib/models",
        "/tmp",  # noqa: S108 - the container's
    }
    assert found["User"] == "10001:10001"
    assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert found["LinuxParameters"]["InitProcessEnabled"] is True
    # No shell: CMD-SHELL would need one.
    assert found["HealthCheck"]["Command"][0] == "CMD"
    # The service takes 2 s to leave the balancer and 30 s to answer what it has taken.
    assert 32 < found["StopTimeout"] <= 120


def test_failed_deployment_is_stopped_and_rolled_back() -> None:
    deployment = only("AWS::ECS::Service")["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["Alarms"]["Enable"] is True
    assert deployment["Alarms"]["Rollback"] is True
    assert set(deployment["Alarms"]["AlarmNames"]) == set(of_kind("AWS::CloudWatch::Alarm"))
    assert deployment["MinimumHealthyPercent"] == 100


def test_autoscaling_sets_the_number_of_tasks() -> None:
    parameters = template.read()["Parameters"]
    assert parameters["MinTasks"]["MinValue"] == parameters["MinTasks"]["Default"] == 1
    assert "DesiredCount" not in only("AWS::ECS::Service")
    scaling = only("AWS::ApplicationAutoScaling::ScalingPolicy")
    metric = scaling["TargetTrackingScalingPolicyConfiguration"]["PredefinedMetricSpecification"]
    assert metric["PredefinedMetricType"] == "ALBRequestCountPerTarget"


@pytest.mark.parametrize("name", ["Repository", "ModelBucket", "LogGroup"])
def test_data_is_kept_and_can_be_imported_by_a_new_stack(name: str) -> None:
    resource = RESOURCES[name]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"
    # Only what has a name can be imported.
    assert {"RepositoryName", "BucketName", "LogGroupName"} & resource["Properties"].keys()


def test_old_revisions_are_kept() -> None:
    assert RESOURCES["TaskDefinition"]["UpdateReplacePolicy"] == "Retain"


def test_bucket_and_repository_are_protected() -> None:
    bucket, repository = only("AWS::S3::Bucket"), only("AWS::ECR::Repository")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]


def test_load_balancer_checks_health_and_alone_reaches_tasks() -> None:
    assert only("AWS::ElasticLoadBalancingV2::TargetGroup")["HealthCheckPath"] == "/health"
    (ingress,) = RESOURCES["TaskSecurityGroup"]["Properties"]["SecurityGroupIngress"]
    assert ingress["SourceSecurityGroupId"] == "LoadBalancerSecurityGroup"
    assert (ingress["FromPort"], ingress["ToPort"]) == (8000, 8000)


def test_stack_has_the_outputs_that_commands_read() -> None:
    promised = (
        "ClusterName ServiceName LoadBalancerUrl BucketName RepositoryUri TaskFamily LogGroup"
    )
    assert set(promised.split()) <= template.read()["Outputs"].keys()


RETRAINING = ("RetrainRole", "RetrainTask", "ScheduleRole", "RetrainSchedule")


def test_nothing_is_trained_again_unless_there_is_an_image_for_it() -> None:
    parameters = template.read()["Parameters"]
    assert parameters["RetrainImageUri"]["Default"] == ""
    assert {name for name, each in RESOURCES.items() if each.get("Condition") == "Retrains"} == {
        *RETRAINING
    }
    assert template.read()["Conditions"]["Retrains"] == [["RetrainImageUri", ""]]


def test_schedule_starts_its_task_in_the_network_of_the_service_and_nothing_else() -> None:
    schedule = RESOURCES["RetrainSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "RetrainCron"
    assert template.read()["Parameters"]["RetrainCron"]["Default"] == "cron(0 3 ? * MON *)"
    asked = schedule["Target"]["EcsParameters"]
    assert asked["TaskDefinitionArn"] == "RetrainTask"
    service = only("AWS::ECS::Service")["NetworkConfiguration"]
    assert asked["NetworkConfiguration"] == service
    start, give = statements("ScheduleRole")
    assert (start["Action"], start["Resource"]) == ("ecs:RunTask", "RetrainTask")
    assert start["Condition"] == {"ArnEquals": {"ecs:cluster": "Cluster.Arn"}}
    assert give["Resource"] == ["ExecutionRole.Arn", "RetrainRole.Arn"]


def test_retraining_reads_the_log_exchanges_models_and_deletes_nothing() -> None:
    exchange, read, look = statements("RetrainRole")
    assert exchange["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert exchange["Resource"] == "${ModelBucket.Arn}/${ModelBucketPrefix}/*"
    assert read["Action"] == "s3:GetObject"
    assert read["Resource"] == "${ModelBucket.Arn}/${PredictionLogPrefix}/*"
    assert look["Action"] == "s3:ListBucket"
    assert len(look["Condition"]["StringLike"]["s3:prefix"]) == 4


def test_retraining_task_writes_to_the_volumes_of_the_image_only() -> None:
    found = container("RetrainTask")
    assert found["ReadonlyRootFilesystem"] is True
    assert found["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    image = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    train = image.partition(" AS train\n")[2].partition("\nFROM ")[0]
    volumes = json.loads(re.findall(r"^VOLUME (.+)$", train, re.MULTILINE)[0])
    assert [each["ContainerPath"] for each in found["MountPoints"]] == volumes
    (user,) = re.findall(r"^USER (.+)$", train, re.MULTILINE)
    assert found["User"] == user


def test_what_the_retraining_task_types_is_understood() -> None:
    found = container("RetrainTask")
    assert found["EntryPoint"] == ["/bin/sh", "-ec"]
    (script,) = found["Command"]
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0
    names = {each["Name"] for each in found["Environment"]}
    assert {*re.findall(r"\$(\w+)", script)} <= names
    typed = [shlex.split(line)[3:] for line in script.splitlines()]
    assert [words[0] for words in typed] == ["pull", "retrain", "push"]
    for name, *words in typed:
        # Raises for a word that the command does not know.
        runs.commands[name].make_context(name, words)

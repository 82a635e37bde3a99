"""The output of status, as text and as JSON."""

import json

import pytest

from tests.deploy.cloud import STACK, Cloud, address_of, some_by_default
from tests.deploy.conftest import Invoke
from tests.deploy.front import DENIED

CALLS = [
    "DescribeStacks",
    "DescribeServices",
    "DescribeAlarms",
    "DescribeTaskDefinition",
    "DescribeImages",
]


def alarm(cloud: Cloud, name: str, state: str) -> None:
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="n",
        MetricName="m",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="result so")


def test_status_reports_everything(cloud: Cloud, invoke: Invoke) -> None:
    result = invoke("status")
    assert (result.code, result.err) == (0, "")
    assert cloud.front.calls == CALLS
    assert result.out.startswith(f"stack     {STACK}: CREATE_COMPLETE\nservice   mlops-Service-")
    assert ": 1 of 1 running, 0 pending\n" in result.out
    assert f"revision  3: {address_of('ccc')} (ccc)\n" in result.out
    assert result.out.endswith("\nhealthy\n")


def test_status_reports_a_rollback_an_alarm_and_target_health(cloud: Cloud, invoke: Invoke) -> None:
    groups = cloud.client("elbv2").describe_target_groups()["TargetGroups"]
    arn = groups[0]["TargetGroupArn"]
    cloud.service.load_balancers = [{"targetGroupArn": arn, "containerPort": 8000}]
    cloud.client("elbv2").register_targets(TargetGroupArn=arn, Targets=[{"Id": "10.20.0.9"}])
    alarm(cloud, f"{STACK}-ErrorsAlarm-X", "ALARM")
    alarm(cloud, "of-another-stack", "ALARM")
    cloud.put_service_on(2)
    lines = invoke("status").out.splitlines()
    assert "          the stack has 3: rolled back" in lines
    assert f"alarm     {STACK}-ErrorsAlarm-X: ALARM" in lines
    assert not any("another" in line for line in lines)
    assert any(line.startswith("target    10.20.0.9: ") for line in lines)
    assert lines[-1] == "not healthy, or not yet"


def test_json_has_the_same_content(cloud: Cloud, invoke: Invoke) -> None:
    cloud.put_service_on(2, "IN_PROGRESS")
    cloud.remove_image("bbb")
    found = json.loads(invoke("status", "--json").out)
    assert found["stack"] == STACK
    assert found["is_healthy"] is False
    assert found["service"]["revision"] == 2
    assert found["service"]["revision_of_the_stack"] == 3
    assert found["service"]["image_is_there"] is False
    assert found["service"]["rollouts"][0]["state"] == "IN_PROGRESS"
    assert found["outputs"]["BucketName"].startswith(f"{STACK}-models-")


@pytest.mark.usefixtures("empty")
def test_stack_without_a_service_reports_the_next_step(invoke: Invoke) -> None:
    assert invoke("deploy", "--yes").code == 0
    result = invoke("status")
    assert result.code == 0
    assert "service   none yet: python -m deploy deploy --image TAG" in result.out


@pytest.mark.usefixtures("empty")
def test_missing_stack(invoke: Invoke) -> None:
    result = invoke("status", "--stack", "other")
    assert result.code == 2
    assert "there is no stack 'other' in eu-west-1" in result.err


@pytest.mark.parametrize("number", some_by_default(range(len(CALLS)), 0, len(CALLS) - 1))
def test_any_failing_call_is_reported_in_one_line(
    cloud: Cloud, invoke: Invoke, number: int
) -> None:
    cloud.front.fails[number] = DENIED
    result = invoke("status")
    assert result.code == 1
    assert result.err.startswith(f"error: AWS denies {CALLS[number]}: ")
    assert len(result.err.splitlines()) == 1
    assert cloud.front.calls == CALLS[: number + 1]
